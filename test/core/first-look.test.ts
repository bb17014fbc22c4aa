import { createCache, type PageBody, type PagekeepError, type Store } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { ChaosStore, FakeClock } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import type { CacheOptions } from '../../src/core/cache-options.js'

/** A memory store that counts what it is asked, and may answer with promises. */
class CountingStore extends ChaosStore {
  readonly asked: string[] = []
  readonly #isSlow: boolean

  constructor(isSlow = false) {
    super(new MemoryStore())
    this.#isSlow = isSlow
  }

  override get(...args: Parameters<Store['get']>) {
    this.asked.push(args[0])
    const page = super.get(...args)
    return this.#isSlow ? Promise.resolve(page) : page
  }
}

function setUp(options: Partial<CacheOptions> & { store?: Store } = {}) {
  const clock = new FakeClock()
  const memory = new MemoryStore()
  const cache = createCache({ store: memory, clock, ...options })
  const errors: PagekeepError[] = []
  cache.on('error', (error) => errors.push(error))
  const hits: string[] = []
  cache.on('hit', ({ key }) => hits.push(key))
  return { clock, cache, errors, hits, memory }
}
const never = () => {
  throw new Error('the page should have been kept')
}

/** A store of which the test decides what its `get` does. */
function storeThat(get: Store['get']): Store {
  const memory = new MemoryStore()
  return new Proxy(memory, {
    get: (target, name) => {
      if (name === 'get') return get
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('answerNow()', () => {
  it('answers a fresh page without a promise, whether it expires or not', async () => {
    const { cache, hits, clock } = setUp()
    await cache.set('for ever', 'a')
    await cache.set('for a while', 'b', { ttlMs: 1000, metadata: 'text' })
    expect(cache.answerNow('for ever', never)).toMatchObject({ body: 'a', status: 'hit', isKept: true })
    expect(cache.answerNow('for a while', never)).toMatchObject({ body: 'b', metadata: 'text' })
    expect(hits).toEqual(['for ever', 'for a while'])
    clock.advance(1000)
    const late = cache.answerNow('for a while', () => 'c')
    expect(late).toBeInstanceOf(Promise)
    expect(await late).toMatchObject({ body: 'c', status: 'rendered' })
  })

  it('answers an evicted page never', async () => {
    const { cache } = setUp()
    await cache.set('a', 'old')
    expect(cache.answerNow('a', never)).toMatchObject({ body: 'old' })
    await cache.evict('a')
    expect(await cache.answerNow('a', () => 'new')).toMatchObject({ body: 'new', status: 'rendered' })
  })

  it('gives one answer for one page', async () => {
    const { cache } = setUp()
    await cache.set('a', 'old')
    const answer = cache.answerNow('a', never)
    expect(cache.answerNow('a', never)).toBe(answer)
    await cache.set('a', 'new')
    expect(cache.answerNow('a', never)).not.toBe(answer)
  })

  it('leaves a page that may be refreshed before its time to the long way', async () => {
    const { cache } = setUp({ ttlMs: 1000, earlyRefresh: 1 })
    await cache.set('a', 'a')
    expect(cache.answerNow('a', never)).toBeInstanceOf(Promise)
    expect(cache.answerNow('a', never, { earlyRefresh: 0 })).toMatchObject({ body: 'a' })
  })

  it('answers nothing while the cache is blind, and nothing when it is closed', async () => {
    const { cache, clock } = setUp({ maxLagMs: 1000 })
    await cache.set('a', 'a')
    // The sign of life is to be looked at first.
    expect(await cache.answerNow('a', never)).toMatchObject({ status: 'hit' })
    expect(cache.answerNow('a', never)).toMatchObject({ status: 'hit' })
    clock.advance(1001)
    expect(await cache.answerNow('a', () => 'b')).toMatchObject({ body: 'b', isKept: false })
    expect(await cache.answerNow('a', () => 'c')).toMatchObject({ body: 'c', isKept: false })
    await cache.close()
    expect(await cache.answerNow('a', () => 'd')).toMatchObject({ body: 'd', isKept: false })
  })

  it('goes blind in the very moment, not at the next look at the sign', async () => {
    const { cache, clock } = setUp({ maxLagMs: 1000 })
    await cache.set('a', 'a')
    await cache.state.write('sign-of-life', String(clock.now() - 900))
    await cache.answerNow('a', never)
    clock.advance(100)
    expect(cache.answerNow('a', never)).toMatchObject({ status: 'hit' })
    clock.advance(1)
    expect(await cache.answerNow('a', () => 'b')).toMatchObject({ body: 'b', isKept: false })
  })
})

describe('the first look', () => {
  it.each([false, true])('is the only one for a page that is kept (with promises: %j)', async (isSlow) => {
    const store = new CountingStore(isSlow)
    const { cache } = setUp({ store })
    await cache.set('a', 'a', { ttlMs: 1000 })
    expect(await cache.getOrRender('a', never, { earlyRefresh: 1e-9 })).toBe('a')
    expect(store.asked).toEqual(['a'])
  })

  it.each([false, true])('is followed by one more for a page that is not (with promises: %j)', async (isSlow) => {
    const store = new CountingStore(isSlow)
    const { cache } = setUp({ store })
    expect(await cache.getOrRender('a', () => 'a')).toBe('a')
    expect(store.asked).toEqual(['a', 'a'])
  })

  it('that fails is one fault', async () => {
    let asked = 0
    const store = storeThat(() => {
      asked++
      throw new Error('broken')
    })
    const { cache, errors } = setUp({ store })
    expect(await cache.getOrRender('a', () => 'a')).toBe('a')
    expect(errors).toHaveLength(asked)
    expect(errors.every(({ code }) => code === 'store-failed')).toBe(true)
  })

  it('that stalls is given up after storeTimeoutMs', async () => {
    let asked = 0
    const store = storeThat(() => (asked++ === 0 ? new Promise(() => undefined) : undefined))
    const { cache, errors, clock } = setUp({ store, storeTimeoutMs: 500 })
    const page = cache.getOrRender('a', () => 'a')
    await expect.poll(() => clock.timers).toBe(1)
    clock.advance(500)
    expect(await page).toBe('a')
    expect(errors.map(({ code }) => code)).toEqual(['store-timeout'])
    expect(asked).toBe(2)
  })

  it('at a key that cannot be used is no fault of the store', async () => {
    const store = storeThat(() => Promise.reject(new Error('what a key')))
    const { cache, errors } = setUp({ store })
    expect(await cache.getOrRender('../a', (): PageBody => 'a')).toBe('a')
    expect(errors.map(({ code }) => code)).toEqual(['key-invalid'])
  })
})

describe('peek()', () => {
  it('gives the page that is there, past its time too, with what is known of it, and tells nobody', async () => {
    const { cache, clock, hits } = setUp()
    expect(await cache.peek('a')).toBeUndefined()
    await cache.set('a', 'a', { ttlMs: 1000, metadata: 'text' })
    clock.advance(5000)
    expect(await cache.peek('a')).toMatchObject({ body: 'a', metadata: 'text', expiresAtMs: clock.now() - 4000 })
    expect(hits).toEqual([])
    await cache.evict('a')
    expect(await cache.peek('a')).toBeUndefined()
  })

  it('gives nothing while the cache is blind or closed, and no fault but as an event', async () => {
    const { cache, clock } = setUp({ maxLagMs: 1000 })
    await cache.set('a', 'a')
    clock.advance(1001)
    expect(await cache.peek('a')).toBeUndefined()
    await cache.close()
    expect(await cache.peek('a')).toBeUndefined()
    await expect(cache.peek('../a')).rejects.toMatchObject({ code: 'key-invalid' })
    const broken = setUp({ store: storeThat(() => Promise.reject(new Error('broken'))) })
    expect(await broken.cache.peek('a')).toBeUndefined()
    expect(broken.errors).toMatchObject([{ code: 'store-failed', key: 'a' }])
  })

  it('makes no page of what it gives: the one that is being made is kept', async () => {
    const { cache } = setUp()
    await cache.set('old', 'old')
    const answer = await cache.answer('new', async () => `${(await cache.peek('old'))?.body} and new`)
    expect(answer).toMatchObject({ body: 'old and new', isKept: true })
  })
})
