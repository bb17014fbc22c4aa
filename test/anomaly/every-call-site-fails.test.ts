/**
 * Every place in the disk store's source that calls the system has failed at least once: the list of places is read
 * from the source, so that a new one cannot be forgotten. Each is looked for in the scenarios, fails at its first call
 * there, and what it promises is promised still (every-call-fails-play.ts).
 *
 * Some places are come to only after another call has failed, when things are tidied up: these fail together with the one
 * before.
 */
import { expect, it, vi } from 'vitest'
import { callSites } from './call-sites.js'
import { limited } from './every-call-fails-limited.js'
import { played } from './every-call-fails-play.js'
import { rare } from './every-call-fails-rare.js'
import { type Scenario, scenarios, tour } from './every-call-fails-scenarios.js'
import { failingCalls } from './faulty-files.js'

// Hundreds of sites are made and removed.
vi.setConfig({ testTimeout: 600_000 })

const once = { nth: 1, errno: 'EIO', forGood: false } as const
const all: Readonly<Record<string, Scenario>> = {
  tour,
  'the tour, by threads of the pool': { ...tour, options: { io: 'async' } },
  ...scenarios,
  ...limited,
  ...rare,
}

/** Places, and the scenario in which each failed first. */
const failed = new Map<string, string>()
/** Places that were come to after another had failed, and have not failed themselves. */
const after = new Map<string, { readonly name: string; readonly site: string }>()

async function fail(name: string, sites: readonly string[], forGood = false): Promise<ReadonlySet<string>> {
  const faulty = await played(all[name] ?? expect.fail(name), { ...once, forGood, sites })
  for (const site of faulty.failedAt) if (!failed.has(site)) failed.set(site, name)
  return faulty.calledAt
}

it.each(Object.keys(all))('what is promised holds when a call fails at any place of: %s', async (name) => {
  const called = await fail(name, [])
  for (const site of called) {
    if (failed.has(site)) continue
    for (const found of await fail(name, [site])) if (!called.has(found)) after.set(found, { name, site })
  }
})

it('what is promised holds when a call fails at a place that is come to after another failure', async () => {
  for (const [found, { name, site }] of after) if (!failed.has(found)) await fail(name, [site, found], true)
})

it('every place that calls the system has failed', () => {
  const places = callSites(failingCalls)
  expect(places.filter((site) => !failed.has(site))).toEqual([])
  // Those that are called in a way which the search in the text does not find.
  expect([...failed.keys()].filter((site) => !places.includes(site))).toEqual([])
})

it('twin: without the rare scenarios places are missing', () => {
  const isRare = (name: string | undefined) => name !== undefined && name in rare
  expect(callSites(failingCalls).filter((site) => isRare(failed.get(site))).length).toBeGreaterThan(20)
})
