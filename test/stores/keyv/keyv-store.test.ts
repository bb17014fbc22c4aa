import KeyvRedis, { createClient } from '@keyv/redis'
import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import { isPagekeepError } from 'pagekeep'
import { type KeyvLike, KeyvStore } from 'pagekeep/stores/keyv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSelectors } from '../../../src/core/selector.js'
import type { Busy, Fill } from '../../../src/core/store.js'
import { mayStartRedis, type RedisServer, startRedis } from '../../support/redis.js'

async function fillOf(store: KeyvStore, key: string): Promise<Fill> {
  const begun = await store.begin(key)
  if (begun.kind !== 'fill') throw new Error(`${key} is busy`)
  return begun
}

async function keep(store: KeyvStore, key: string, body = 'page', tags: string[] = []): Promise<string> {
  return (await fillOf(store, key)).publish({ body, tags, renderBeganAtMs: 1 })
}

async function keysOf(store: KeyvStore): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.keys()) keys.push(key)
  return keys.sort()
}

/** A Keyv 5 adapter on a Map, without an iterator. Its parts are there to be replaced. */
function plainAdapter() {
  const records = new Map<string, string>()
  return {
    records,
    opts: { dialect: 'redis', url: '' },
    listeners: [] as ((error: unknown) => void)[],
    on(_event: string, listener: (error: unknown) => void) {
      this.listeners.push(listener)
    },
    emitError(error: unknown) {
      for (const listener of this.listeners) listener(error)
    },
    async get(key: string): Promise<string | undefined> {
      return records.get(key)
    },
    async set(key: string, value: string, _ttl?: number): Promise<unknown> {
      return records.set(key, value)
    },
    async delete(key: string): Promise<boolean> {
      return records.delete(key)
    },
    async clear(): Promise<void> {
      records.clear()
    },
  }
}

const connect = (adapter: object): KeyvLike => new Keyv({ store: adapter as never, namespace: 'n' })

describe('KeyvStore', () => {
  test('KeyvStore() refuses what is no Keyv, and a ttl that is none', () => {
    expect(() => new KeyvStore({ keyv: new Map() as never })).toThrow(TypeError)
    expect(() => new KeyvStore({ keyv: undefined as never })).toThrow(TypeError)
    expect(() => new KeyvStore({ keyv: new Keyv(), ttlMs: 0 })).toThrow(RangeError)
  })

  test('capabilities tell whether the adapter lists and lasts', () => {
    const capabilitiesOf = (keyv: KeyvLike) => new KeyvStore({ keyv }).capabilities
    const listing = { ...plainAdapter(), async *iterator() {} }
    expect(capabilitiesOf(new Keyv())).toMatchObject({ canList: true, isDurable: false })
    expect(capabilitiesOf(new Keyv6())).toMatchObject({ canList: true, isDurable: false })
    expect(capabilitiesOf(connect(plainAdapter()))).toMatchObject({ canList: false, isDurable: true })
    expect(capabilitiesOf(connect(listing))).toMatchObject({ canList: true, isDurable: true })
    expect(capabilitiesOf(new Keyv6(plainAdapter()))).toMatchObject({ canList: false, isDurable: true })
    expect(capabilitiesOf(new Keyv6(listing))).toMatchObject({ canList: true, isDurable: true })
  })

  test('begin() succeeds at once after another instance doomed the fill under way', async () => {
    const records = new Map()
    const [here, there] = [1, 2].map(() => new KeyvStore({ keyv: new Keyv(records) })) as [KeyvStore, KeyvStore]
    const fill = await fillOf(here, 'a/b')
    const busy = (await here.begin('a/b')) as Busy
    await there.evict(parseSelectors('a/**'))
    expect(await fill.state()).toBe('doomed')
    const next = await fillOf(here, 'a/b')
    await busy.ended()
    expect(await fill.publish({ body: 'old', tags: [], renderBeganAtMs: 1 })).toBe('doomed')
    expect(await next.publish({ body: 'new', tags: [], renderBeganAtMs: 2 })).toBe('kept')
  })

  test('begin() of two callers at the same moment gives one of them the fill', async () => {
    const store = new KeyvStore({ keyv: new Keyv() })
    const kinds = await Promise.all([store.begin('a'), store.begin('a')])
    expect(kinds.map(({ kind }) => kind).sort()).toEqual(['busy', 'fill'])
  })

  test('evict() of a tag dooms by its bucket only, once buckets are marked', async () => {
    const store = new KeyvStore({ keyv: new Keyv() })
    const others = Array.from({ length: 600 }, (_, index) => ({ tag: `other:${index}` }))
    await store.evict(parseSelectors([...others, { tag: 'mine' }]))
    const fill = await fillOf(store, 'a')
    await store.evict(parseSelectors({ tag: 'other:1' }))
    expect(await fill.state()).toBe('unsure')
    expect(await fill.publish({ body: '', tags: ['mine'], renderBeganAtMs: 1 })).toBe('kept')
  })

  test('get() never gives the page of another key, though the Keyv changes names', async () => {
    const store = new KeyvStore({ keyv: new Keyv6({ sanitize: { keys: true } }) })
    await keep(store, "a'--b").catch(() => undefined)
    expect(await store.get('ab')).toBeUndefined()
    expect(await store.get('a--b')).toBeUndefined()
  })

  test('get() takes a page whose stamp was lost as none, whatever is written later', async () => {
    const records = new Map<string, unknown>()
    const store = new KeyvStore({ keyv: new Keyv(records) })
    for (const name of ['k/a/b', 'd/', 'd/a', 't/t']) {
      expect(await keep(store, 'a/b', 'page', ['t'])).toBe('kept')
      const page = records.get('keyv:p/a/b')
      records.delete(`keyv:${name}`)
      expect(await store.get('a/b')).toBeUndefined()
      await keep(store, 'a/b', 'newer', ['t'])
      records.set('keyv:p/a/b', page)
      expect(await store.get('a/b')).toBeUndefined()
    }
  })

  test('publish() is doomed, or fails, when stamps were lost during the render; nothing is kept', async () => {
    for (const lost of ['k/a', 'd/', 'g']) {
      const records = new Map<string, unknown>()
      const store = new KeyvStore({ keyv: new Keyv(records) })
      const fill = await fillOf(store, 'a')
      records.delete(`keyv:${lost}`)
      const publishing = fill.publish({ body: 'page', tags: ['t'], renderBeganAtMs: 1 })
      if (lost === 'g') expect(await publishing).toBe('doomed')
      else await expect(publishing).rejects.toThrow(/is gone: the adapter drops entries/)
      expect(await store.get('a')).toBeUndefined()
      expect((await store.begin('a')).kind).toBe('fill')
    }
  })

  test('evict() removes the entries of keys and counts those', async () => {
    const records = new Map<string, unknown>()
    const store = new KeyvStore({ keyv: new Keyv(records) })
    await keep(store, 'a/1')
    await keep(store, 'a/2')
    expect(await store.evict(parseSelectors(['a/1', 'a/3']))).toMatchObject({ removed: 1, keys: ['a/1'] })
    expect(records.has('keyv:p/a/1')).toBe(false)
    expect(await store.evict(parseSelectors('a/**'))).toMatchObject({ removed: 0, failures: [] })
    expect(await keysOf(store)).toEqual([])
  })

  test('ttlMs is the life of pages, half that of the stamps of keys and tags, and not of directories', async () => {
    const adapter = plainAdapter()
    const lives = new Map<string, number | undefined>()
    const { set } = adapter
    adapter.set = (key, value, ttl) => {
      lives.set(key, ttl)
      return set(key, value)
    }
    await keep(new KeyvStore({ keyv: connect(adapter), ttlMs: 1000 }), 'a/b', 'page', ['t'])
    expect(Object.fromEntries(lives)).toEqual({
      'n:p/a/b': 1000,
      'n:k/a/b': 2000,
      'n:t/t': 2000,
      'n:d/': undefined,
      'n:d/a': undefined,
      'n:g': undefined,
    })
  })

  test('close() dooms the fills of this process and leaves the Keyv to its owner', async () => {
    const keyv = new Keyv()
    const store = new KeyvStore({ keyv })
    await keep(store, 'kept')
    const fill = await fillOf(store, 'a')
    store.close()
    expect(await fill.publish({ body: '', tags: [], renderBeganAtMs: 1 })).toBe('doomed')
    expect((await new KeyvStore({ keyv }).get('kept'))?.body).toBe('page')
  })
})

describe('KeyvStore on an adapter that cannot be walked over', () => {
  const noIterator: Record<string, () => KeyvLike> = {
    'Keyv 5': () => connect(plainAdapter()),
    'Keyv 6': () => new Keyv6(plainAdapter()),
  }
  test.each(Object.entries(noIterator))(
    'evict() of a pattern evicts its whole directory, with %s',
    async (_name, make) => {
      const store = new KeyvStore({ keyv: make() })
      for (const key of ['a/b/1.html', 'a/b/2.xml', 'a/c']) await keep(store, key)
      const fill = await fillOf(store, 'a/b/3.html')
      expect((await store.evict(parseSelectors('a/b/*.html'))).failures).toEqual([])
      expect(await store.get('a/b/1.html')).toBeUndefined()
      expect(await store.get('a/b/2.xml')).toBeUndefined()
      expect((await store.get('a/c'))?.body).toBe('page')
      expect(await fill.publish({ body: '', tags: [], renderBeganAtMs: 1 })).toBe('doomed')
    },
  )

  test('evict() of a pattern evicts its whole directory when the iterator ends early or shows nothing', async () => {
    type Adapter = ReturnType<typeof plainAdapter>
    const broken: ((adapter: Adapter) => AsyncGenerator<[string, string]>)[] = [
      async function* () {},
      async function* (adapter) {
        yield* [...adapter.records].slice(-1)
        adapter.emitError(new Error('connection lost'))
      },
      async function* (adapter) {
        yield* [...adapter.records].slice(-1)
        throw new Error('connection lost')
      },
    ]
    for (const walk of broken) {
      const adapter = plainAdapter()
      const store = new KeyvStore({
        keyv: connect({ ...adapter, on: adapter.on.bind(adapter), iterator: () => walk(adapter) }),
      })
      expect(store.capabilities.canList).toBe(true)
      await keep(store, 'a/1.html')
      expect((await store.evict(parseSelectors('a/*.html'))).failures).toEqual([])
      expect(await store.get('a/1.html')).toBeUndefined()
    }
  })

  test('keys() says that the adapter has no iterator', async () => {
    const store = new KeyvStore({ keyv: connect(plainAdapter()) })
    await expect(keysOf(store)).rejects.toThrow(/has no iterator/)
  })
})

describe('KeyvStore on an adapter that fails', () => {
  /** Fails as most adapters do: emits `error`, and answers as if nothing were wrong. */
  function failing(concerns: (key: string) => boolean, emits = true) {
    const adapter = plainAdapter()
    let isBroken = false
    const { set } = adapter
    adapter.set = async (key, value) => {
      if (!isBroken || !concerns(key)) return set(key, value)
      if (emits) adapter.emitError(new Error('out of memory'))
      return undefined
    }
    const remove = adapter.delete
    adapter.delete = async (key) => !(isBroken && concerns(key)) && remove(key)
    const keyv = connect(adapter)
    const fail = () => {
      isBroken = true
    }
    return { store: new KeyvStore({ keyv }), keyv, fail }
  }

  test.each(['k/', 'd/', 't/', 'g', 'b/'])(
    'evict() that could not write %s is a failure of what needed it',
    async (prefix) => {
      for (const emits of [true, false]) {
        const { store, fail } = failing((key) => key.startsWith(`n:${prefix}`), emits)
        await keep(store, 'a/b', 'page', ['t'])
        fail()
        const { failures } = await store.evict(parseSelectors(['a/b', 'a/**', { tag: 't' }]))
        const expected = { 'k/': 'a/b', 'd/': 'a/**', 't/': 'tag:t', g: 'tag:t', 'b/': 'tag:t' }[prefix]
        expect(failures.map(({ selector }) => selector.text)).toEqual([expected])
        expect(isPagekeepError(failures[0]?.cause, 'store-failed')).toBe(true)
      }
    },
  )

  test('evict() whose reads fail is a failure', async () => {
    const adapter = plainAdapter()
    const keyv = connect(adapter)
    keyv.getMany = () => Promise.reject(new Error('connection lost'))
    const { failures } = await new KeyvStore({ keyv }).evict(parseSelectors(['a', 'b']))
    expect(failures.map(({ cause }) => cause)).toEqual([new Error('connection lost'), new Error('connection lost')])
  })

  test('publish() rejects when the write failed, though Keyv says that it did not', async () => {
    const { store, fail } = failing((key) => key.startsWith('n:p/'))
    const fill = await fillOf(store, 'a')
    fail()
    await expect(fill.publish({ body: '', tags: [], renderBeganAtMs: 1 })).rejects.toThrow('out of memory')
    expect((await store.begin('a')).kind).toBe('fill')
  })

  test('publish() rejects when Keyv answers false', async () => {
    const keyv = new Keyv()
    const store = new KeyvStore({ keyv })
    const fill = await fillOf(store, 'a')
    keyv.set = async () => false
    await expect(fill.publish({ body: '', tags: [], renderBeganAtMs: 1 })).rejects.toMatchObject({
      code: 'store-failed',
    })
  })

  test('begin() rejects when stamps do not last, and blocks nobody', async () => {
    const { store, fail } = failing(() => true, false)
    fail()
    await expect(store.begin('a')).rejects.toMatchObject({ code: 'store-failed' })
    await expect(store.begin('a')).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('state.write() rejects when the text is not there afterwards', async () => {
    const { store, fail } = failing(() => true, false)
    await store.state.write('cursor', '1')
    fail()
    await expect(store.state.write('cursor', '2')).rejects.toThrow(/was written to Keyv and is not there/)
  })

  test('an error listener is on the Keyv only while something is written', async () => {
    const keyv = new Keyv()
    await keep(new KeyvStore({ keyv }), 'a')
    expect(keyv.listeners('error')).toEqual([])
  })
})

describe.skipIf(!mayStartRedis())('KeyvStore on a Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  test('publish() tells it when Redis is full, evict() evicts all the same, and tells it when Redis is gone', async () => {
    const adapter = new KeyvRedis({ url: redis.url, disableOfflineQueue: true }, { namespace: 'full' })
    const keyv = new Keyv({ store: adapter, namespace: 'full', useKeyPrefix: false })
    keyv.on('error', () => undefined)
    const store = new KeyvStore({ keyv })
    const selectors = parseSelectors(['a/1', 'b/**', { tag: 't' }])
    await keep(store, 'a/1')
    await keep(store, 'b/1')
    await keep(store, 'c/1', 'page', ['t'])
    await store.evict(parseSelectors({ tag: 'of no page' }))
    const [first, tagged] = [await fillOf(store, 'a/1'), await fillOf(store, 'c/2')]
    const client = createClient({ url: redis.url })
    await client.connect()
    await client.configSet('maxmemory', '1')

    const full = fillOf(store, 'd/1').then((fill) => fill.publish({ body: 'x', tags: [], renderBeganAtMs: 1 }))
    await expect(full).rejects.toMatchObject({ code: 'store-failed' })
    // A bucket that was never marked has nothing to remove.
    const { failures } = await store.evict(selectors)
    expect(failures.map(({ selector }) => selector.text)).toEqual(['tag:t'])
    for (const key of ['a/1', 'b/1', 'c/1']) expect(await store.get(key)).toBeUndefined()

    await client.configSet('maxmemory', '0')
    expect((await store.evict(selectors)).failures).toEqual([])
    expect(await first.publish({ body: 'old', tags: [], renderBeganAtMs: 1 })).toBe('doomed')
    expect(await tagged.publish({ body: 'old', tags: ['t'], renderBeganAtMs: 1 })).toBe('doomed')
    expect(await keep(store, 'a/1')).toBe('kept')

    await client.close()
    await redis.stop()
    expect((await store.evict(selectors)).failures).toHaveLength(3)
    await expect(store.begin('a/1')).rejects.toThrow()
    await adapter.disconnect(true)
  })
})
