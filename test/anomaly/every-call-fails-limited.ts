/** Scenarios under a size limit: what sweeps do, and evictions during them. */
import type { DiskStoreOptions } from 'pagekeep/stores/disk'
import { expect } from 'vitest'
import { evictions, type Scenario, use } from './every-call-fails-scenarios.js'
import { keys, type Site } from './site.js'

export const tight: Partial<DiskStoreOptions> = { maxFiles: 3, maxBytes: 2 ** 30, minFreeBytes: 1 }

/** More pages than the limit allows, and the sweeps that follow, as far as they get in that time. */
const overfill = async (site: Site) => {
  for (const key of keys) await site.ask(key)
  await sweeps()
}

export const limited: Record<string, Scenario> = {
  'the first sweep of a directory': {
    arrange: async () => undefined,
    act: overfill,
    options: tight,
  },
  'evictions during sweeps, with a fill in flight': {
    arrange: overfill,
    act: async (site) => {
      for (const name of ['a key', 'a subtree', 'a tag']) {
        const evict = evictions[name] ?? expect.fail(name)
        for (const key of keys) await site.ask(key)
        site.hold()
        const landed = await site.begin('news/1.html', site.other)
        await evict(site)
        site.release()
        await landed()
        site.audit('during a sweep')
      }
    },
    options: tight,
  },
  'a disk that never has enough left': {
    arrange: use,
    act: async (site) => {
      await overfill(site)
      await site.evict('news/**', keys.slice(1))
      await overfill(site)
    },
    options: { minFreeBytes: 2 ** 52 },
  },
}

/** A sweep gives way to others now and then; these are turns enough for a small one. */
async function sweeps(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}
