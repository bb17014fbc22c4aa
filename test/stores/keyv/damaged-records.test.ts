/**
 * Damaged records in a Keyv: cut, foreign, of another serializer. They are as if they were not there, are told once
 * each, and stop neither the listing nor an eviction; and no eviction is taken for done that could not look at one.
 */
import KeyvRedis, { createClient } from '@keyv/redis'
import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import { createCache, type PagekeepError } from 'pagekeep'
import { type KeyvLike, KeyvStore } from 'pagekeep/stores/keyv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSelectors } from '../../../src/core/selector.js'
import type { Fill } from '../../../src/core/store.js'
import { mayStartRedis, type RedisServer, startRedis } from '../../support/redis.js'

interface Held {
  readonly keyv: KeyvLike
  /** Puts something in the place of a record. */
  damage(name: string, raw: string): Promise<unknown>
  has(name: string): Promise<boolean>
  close?(): Promise<unknown>
}

interface HeldInRedis extends Held {
  /** Puts something in its place that is not even a text. */
  makeList(name: string): Promise<unknown>
}

const damages: Readonly<Record<string, string>> = {
  'cut short': '{"value":{"stamp":"x',
  'no JSON at all': '\u0000\u0001 not JSON',
  'JSON of nothing': 'null',
  'JSON of a number': '42',
}

async function keep(store: KeyvStore, key: string, tags: string[] = []): Promise<string> {
  const fill = (await store.begin(key)) as Fill
  return fill.publish({ body: 'page', tags, renderBeganAtMs: 1 })
}

async function keysOf(store: KeyvStore): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.keys()) keys.push(key)
  return keys.sort()
}

function storeOn({ keyv }: Held): { store: KeyvStore; faults: PagekeepError[] } {
  const faults: PagekeepError[] = []
  const store = new KeyvStore({ keyv })
  store.onFault((error) => faults.push(error))
  return { store, faults }
}

function behaves(open: () => Promise<Held>): void {
  async function withHeld(work: (held: Held) => Promise<void>): Promise<void> {
    const held = await open()
    try {
      await work(held)
    } finally {
      await held.close?.()
    }
  }

  test.each(Object.entries(damages))('%s: keys() goes on, and tells of it once', (_, raw) =>
    withHeld(async (held) => {
      const { store, faults } = storeOn(held)
      for (const key of ['a/1.html', 'a/2.html', 'b/1.html']) await keep(store, key)
      await held.damage('p/a/2.html', raw)
      expect(await keysOf(store)).toEqual(['a/1.html', 'b/1.html'])
      expect(await store.get('a/2.html')).toBeUndefined()
      expect(await keysOf(store)).toEqual(['a/1.html', 'b/1.html'])
      expect(faults.map(({ code, key }) => [code, key])).toEqual([['store-failed', 'p/a/2.html']])
      expect(await keep(store, 'a/2.html')).toBe('kept')
      expect(await keysOf(store)).toEqual(['a/1.html', 'a/2.html', 'b/1.html'])
    }),
  )

  test.each(Object.entries(damages))('%s: an eviction of a pattern evicts the others, and no more', (_, raw) =>
    withHeld(async (held) => {
      const { store } = storeOn(held)
      for (const key of ['a/1.html', 'a/2.html', 'a/3.xml', 'a/4.html']) await keep(store, key)
      await held.damage('p/a/2.html', raw)
      await held.damage('k/a/4.html', raw)
      const { failures, keys } = await store.evict(parseSelectors('a/*.html'))
      expect(failures).toEqual([])
      expect([...(keys ?? [])].sort()).toEqual(['a/1.html', 'a/2.html', 'a/4.html'])
      expect(await keysOf(store)).toEqual(['a/3.xml'])
      // What was damaged is gone, so that nobody meets it again.
      expect(await held.has('p/a/2.html')).toBe(false)
    }),
  )

  test('whose stamp is damaged here is doomed by an eviction of a pattern, for those who can read it', () =>
    withHeld(async (held) => {
      const { store } = storeOn(held)
      const fill = (await store.begin('a/1.html')) as Fill
      const stamp = await held.keyv.get('k/a/1.html')
      await held.damage('k/a/1.html', damages['cut short'] ?? '')
      expect((await store.evict(parseSelectors('a/*.html'))).failures).toEqual([])
      expect(await fill.publish({ body: 'old', tags: [], renderBeganAtMs: 1 })).toBe('doomed')
      expect(await held.keyv.get('k/a/1.html')).not.toEqual(stamp)
      expect(await keep(store, 'a/1.html')).toBe('kept')
    }))

  test('stamps of every kind: their pages are gone, evictions and fills go on', () =>
    withHeld(async (held) => {
      const { store, faults } = storeOn(held)
      await store.evict(parseSelectors({ tag: 't' }))
      for (const name of ['k/a/b', 'd/', 'd/a', 't/t', 'g', 'b/153', 'm']) {
        await keep(store, 'a/b', ['t'])
        await held.damage(name, '{')
        const { failures } = await store.evict(parseSelectors(['a/b', 'a/**', { tag: 't' }, 'a/*.html']))
        expect(failures, name).toEqual([])
        expect(await store.get('a/b')).toBeUndefined()
        await held.damage(name, '{')
        expect(await keep(store, 'a/b', ['t']), name).toMatch(/kept|doomed/)
        expect(await keep(store, 'a/b', ['t']), name).toBe('kept')
        expect((await store.get('a/b'))?.body).toBe('page')
      }
      expect(new Set(faults.map(({ key }) => key)).size).toBe(faults.length)
    }))

  test('a text of an invalidator is as if it had never been written, and can be written', () =>
    withHeld(async (held) => {
      const { store } = storeOn(held)
      await store.state.write('cursor', '1')
      await held.damage('s/cursor', '{"value":{"te')
      expect(await store.state.read('cursor')).toBeUndefined()
      await store.state.write('cursor', '2')
      expect(await store.state.read('cursor')).toBe('2')
    }))

  test('a page is rendered and served, and kept again; the cache emits one error', () =>
    withHeld(async (held) => {
      const cache = createCache({ store: new KeyvStore({ keyv: held.keyv }) })
      const errors: unknown[] = []
      cache.on('error', (error) => errors.push(error))
      const ask = () => cache.getOrRender('a/b', () => 'page')
      await ask()
      await held.damage('p/a/b', '{')
      for (let times = 0; times < 3; times++) expect(await ask()).toBe('page')
      expect((await held.keyv.get('p/a/b')) as object).toMatchObject({ text: 'page' })
      expect(errors).toHaveLength(1)
    }))
}

const versions: Readonly<Record<string, (options: object) => KeyvLike>> = {
  'Keyv 5': (options) => new Keyv(options),
  'Keyv 6': (options) => new Keyv6(options),
}

describe('damaged records on a Map', () => {
  const prefixes = { 'Keyv 5': 'n:', 'Keyv 6': 'n::' } as Record<string, string>
  describe.each(Object.entries(versions))('with %s', (version, connect) => {
    behaves(async () => {
      const map = new Map<string, unknown>()
      const placed = (name: string) => (prefixes[version] ?? '') + name
      return {
        keyv: connect({ store: map, namespace: 'n' }),
        damage: async (name, raw) => map.set(placed(name), version === 'Keyv 5' ? raw : { value: raw }),
        has: async (name) => map.has(placed(name)),
      }
    })
  })

  test.each([42, true, [], {}, Buffer.from('x'), () => 1])(
    '%s in the Map is no page, and stops nothing',
    async (raw) => {
      for (const [version, connect] of Object.entries(versions)) {
        const map = new Map<string, unknown>()
        const store = new KeyvStore({ keyv: connect({ store: map, namespace: 'n' }) })
        for (const key of ['a/1', 'a/2', 'a/3']) await keep(store, key)
        map.set(`${prefixes[version]}p/a/2`, raw)
        map.set(`${prefixes[version]}k/a/3`, raw)
        map.set(`${prefixes[version]}whose is this`, raw)
        expect(await keysOf(store)).toEqual(['a/1'])
        expect((await store.evict(parseSelectors('*/*'))).failures).toEqual([])
        expect(await keysOf(store)).toEqual([])
      }
    },
  )

  test('a serializer that throws is no reason to take an eviction for done: where it is not known whose record it is, the directory is evicted', async () => {
    // Without a namespace Keyv 5 cuts the names that it shows at the first colon.
    const map = new Map<string, unknown>()
    const open = (deserialize: (text: string) => unknown) =>
      new KeyvStore({ keyv: new Keyv({ store: map, namespace: '', deserialize } as never) })
    const store = open(JSON.parse)
    const cannotRead = open((text) => {
      if (text.includes('1.html')) throw new Error('encrypted')
      return JSON.parse(text)
    })
    for (const key of ['a/1.html', 'a/2.html', 'a/3.xml']) await keep(store, key)
    expect((await cannotRead.evict(parseSelectors('a/*.html'))).failures).toEqual([])
    expect(await keysOf(store)).toEqual([])
  })

  test('a serializer that throws: the key is known by the name of its stamp, and its page evicted for others', async () => {
    for (const key of ['a/1.html', 'a/1.html:x']) {
      const map = new Map<string, unknown>()
      const open = (deserialize: (text: string) => unknown) =>
        new KeyvStore({ keyv: new Keyv({ store: map, namespace: 'n', deserialize } as never) })
      const store = open(JSON.parse)
      const cannotRead = open((text) => {
        if (text.includes('1.html')) throw new Error('encrypted')
        return JSON.parse(text)
      })
      for (const kept of [key, 'a/3.xml']) await keep(store, kept)
      const { failures } = await cannotRead.evict(parseSelectors('a/1*'))
      // It cannot read back what it has written either, so the stamp was removed instead.
      expect(failures).toEqual([])
      expect(await keysOf(store)).toEqual(['a/3.xml'])
    }
  })

  test('twin: a listing that leaves out what it cannot read leaves the page', async () => {
    const map = new Map<string, unknown>()
    const store = new KeyvStore({ keyv: new Keyv({ store: map, namespace: 'n' }) })
    const careless = new Keyv({ store: map, namespace: 'n' })
    const { iterator } = careless
    careless.generateIterator = () =>
      async function* () {
        for await (const pair of iterator?.(undefined) ?? []) if (!String(pair[0]).startsWith('k/a/1')) yield pair
      } as never
    await keep(store, 'a/1.html')
    expect((await new KeyvStore({ keyv: careless }).evict(parseSelectors('a/*.html'))).failures).toEqual([])
    expect(await keysOf(store)).toEqual(['a/1.html'])
  })
})

describe.skipIf(!mayStartRedis())('damaged records on a Redis', () => {
  let redis: RedisServer
  let count = 0
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  describe.each(Object.entries(versions))('with %s', (_, connect) => {
    const open = async (): Promise<HeldInRedis> => {
      const namespace = `damaged-${++count}`
      const adapter = new KeyvRedis(redis.url, { namespace })
      const client = createClient({ url: redis.url })
      await client.connect()
      return {
        keyv: connect({ store: adapter, namespace, useKeyPrefix: false }),
        makeList: async (name) => {
          await client.del(`${namespace}::${name}`)
          await client.lPush(`${namespace}::${name}`, 'x')
        },
        damage: (name, raw) => client.set(`${namespace}::${name}`, raw),
        has: async (name) => (await client.exists(`${namespace}::${name}`)) === 1,
        async close() {
          await adapter.disconnect()
          client.destroy()
        },
      }
    }
    behaves(open)

    test('a list in the place of a page, and of a stamp, is as if there were none', async () => {
      const held = await open()
      const { store } = storeOn(held)
      for (const key of ['a/1.html', 'a/2.html', 'a/3.html']) await keep(store, key)
      for (const name of ['p/a/1.html', 'k/a/2.html']) await held.makeList(name)
      expect(await keysOf(store)).toEqual(['a/3.html'])
      expect(await store.get('a/1.html')).toBeUndefined()
      expect((await store.evict(parseSelectors('a/*.html'))).failures).toEqual([])
      expect(await keysOf(store)).toEqual([])
      await held.close?.()
    })
  })
})
