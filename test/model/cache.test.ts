/**
 * Random commands on every store, against plain maps. A failure prints the commands that led to it, the fewest
 * that fast-check finds, with the seed to see it again; it becomes a file in test/regression/.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import Keyv from 'keyv'
import { DiskStore } from 'pagekeep/stores/disk'
import { KeyvStore } from 'pagekeep/stores/keyv'
import { MemoryStore } from 'pagekeep/stores/memory'
import { expect, it } from 'vitest'
import { cacheCommands } from './cache-commands.js'
import { CacheReference } from './cache-reference.js'
import { CacheSubject, type Subjects } from './cache-subject.js'
import { isFull } from './verdicts.js'

const stores: Readonly<Record<string, () => Subjects>> = {
  MemoryStore: () => ({ open: () => new MemoryStore(), areShared: false, loss: 'nothing' }),
  DiskStore: () => {
    const directory = mkdtempSync(join(tmpdir(), 'pagekeep-model-'))
    const dispose = () => rmSync(directory, { recursive: true, force: true })
    return { open: () => new DiskStore({ directory }), dispose, areShared: true, loss: 'what had the tag' }
  },
  KeyvStore: () => {
    const map = new Map()
    return { open: () => new KeyvStore({ keyv: new Keyv({ store: map }) }), areShared: true, loss: 'anything' }
  },
}

async function explore(subjects: () => Subjects, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(cacheCommands, async (commands) => {
    const used = subjects()
    const subject = new CacheSubject(used)
    try {
      await fc.asyncModelRun(() => ({ model: new CacheReference(used.loss), real: subject }), commands)
    } finally {
      await subject.end()
    }
  })
  await fc.assert(property, { numRuns })
}

for (const [name, subjects] of Object.entries(stores)) {
  it(`PageCache does on a ${name} what plain maps do`, { timeout: 600_000 }, async () => {
    await explore(subjects, isFull ? 2000 : 80)
  })
}

it('explore() notices a store that keeps pages in spite of evictions during the render', async () => {
  const careless = () => {
    const store = new MemoryStore()
    const begin = store.begin.bind(store)
    store.begin = (key, options) => {
      const fill = begin(key, options)
      if (fill.kind !== 'fill') return fill
      // What is published comes from a fill that began just now.
      const publish: typeof fill.publish = (page) => {
        fill.abandon()
        const late = begin(key, { regardless: true })
        return late.kind === 'fill' ? late.publish(page) : 'doomed'
      }
      return { ...fill, publish }
    }
    return { open: () => store, areShared: false, loss: 'nothing' } as const
  }
  await expect(explore(careless, 500)).rejects.toThrow('Property failed')
})
