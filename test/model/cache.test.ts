/**
 * Random commands on every store, against plain maps. A failure prints the commands that led to it, the fewest
 * that fast-check finds, with the seed to see it again; it becomes a file in test/regression/.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import KeyvRedis from '@keyv/redis'
import fc from 'fast-check'
import Keyv from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import { DiskStore } from 'pagekeep/stores/disk'
import { type KeyvLike, KeyvStore } from 'pagekeep/stores/keyv'
import { MemoryStore } from 'pagekeep/stores/memory'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { mayStartRedis, type RedisServer, startRedis } from '../support/redis.js'
import { advance, ask, begin, cacheCommands, evict, finish } from './cache-commands.js'
import { CacheReference } from './cache-reference.js'
import { CacheSubject, type Subjects } from './cache-subject.js'
import { isFull } from './verdicts.js'

// Thousands of commands.
vi.setConfig({ testTimeout: isFull ? 3_600_000 : 600_000 })

const stores: Readonly<Record<string, () => Subjects>> = {
  MemoryStore: () => ({ open: () => new MemoryStore(), areShared: false, loss: 'nothing' }),
  DiskStore: () => {
    const directory = mkdtempSync(join(tmpdir(), 'pagekeep-model-'))
    const dispose = () => rmSync(directory, { recursive: true, force: true })
    return { open: () => new DiskStore({ directory }), dispose, areShared: true, loss: 'what had the tag' }
  },
  "DiskStore with coding: 'gzip'": () => {
    const directory = mkdtempSync(join(tmpdir(), 'pagekeep-model-'))
    const dispose = () => rmSync(directory, { recursive: true, force: true })
    const open = () => new DiskStore({ directory, coding: 'gzip' })
    return { open, dispose, areShared: true, loss: 'what had the tag' }
  },
  'KeyvStore of Keyv 5': () => onMap((store) => new Keyv({ store })),
  'KeyvStore of Keyv 6': () => onMap((store) => new Keyv6({ store })),
}

function onMap(connect: (map: Map<string, unknown>) => KeyvLike): Subjects {
  const map = new Map<string, unknown>()
  return { open: () => new KeyvStore({ keyv: connect(map) }), areShared: true, loss: 'anything' }
}

async function play(used: Subjects, commands: Iterable<fc.AsyncCommand<CacheReference, CacheSubject>>): Promise<void> {
  const subject = new CacheSubject(used)
  try {
    await fc.asyncModelRun(() => ({ model: new CacheReference(used.loss), real: subject }), commands)
  } finally {
    await subject.end()
  }
}

async function explore(subjects: () => Subjects, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(cacheCommands, (commands) => play(subjects(), commands))
  await fc.assert(property, { numRuns })
}

for (const [name, subjects] of Object.entries(stores)) {
  it(`PageCache does on a ${name} what plain maps do`, async () => {
    await explore(subjects, isFull ? 2000 : 80)
  })
}

it('who waits for a render that may have been evicted, and then takes its page, makes that no younger', async () => {
  // The reference took it for rendered anew, once in ten thousand sequences of commands.
  const key = 'b/x.html'
  const commands = [begin(key), evict({ tag: 'tag:1' }, false), ask(key), advance(1), finish(key), advance(999)]
  for (const subjects of Object.values(stores)) await play(subjects(), commands)
})

describe.skipIf(!mayStartRedis())('on a real Redis', () => {
  let redis: RedisServer
  let count = 0
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  const versions: Readonly<Record<string, (options: object) => KeyvLike>> = {
    'Keyv 5': (options) => new Keyv(options),
    'Keyv 6': (options) => new Keyv6(options),
  }
  it.each(Object.entries(versions))('PageCache does on a KeyvStore of %s what plain maps do', async (_, connect) => {
    const subjects = (): Subjects => {
      const namespace = `model-${++count}`
      const adapters: KeyvRedis<unknown>[] = []
      const operations = { open: 0 }
      const open = () => {
        const adapter = new KeyvRedis(redis.url, { namespace })
        adapters.push(adapter)
        const keyv = connect({ store: adapter, namespace, useKeyPrefix: false })
        return new KeyvStore({ keyv: counted(keyv, operations) })
      }
      const dispose = async () => void (await Promise.all(adapters.map((adapter) => adapter.disconnect())))
      return { open, dispose, areShared: true, loss: 'anything', isBusy: () => operations.open > 0 }
    }
    await explore(subjects, isFull ? 500 : 40)
  })
})

/** Counts the operations of a Keyv that are under way. */
function counted(keyv: KeyvLike, operations: { open: number }): KeyvLike {
  const counting: readonly PropertyKey[] = ['get', 'getMany', 'set', 'delete']
  return new Proxy(keyv, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver)
      if (typeof value !== 'function' || !counting.includes(name)) return value
      return async function (this: unknown, ...args: unknown[]) {
        operations.open++
        try {
          return await value.apply(this, args)
        } finally {
          operations.open--
        }
      }
    },
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
