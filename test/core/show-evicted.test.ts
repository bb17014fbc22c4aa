/** `showEvictedMs`: what callers are shown after an eviction, how long, and what they are never shown. */
import {
  type CacheOptions,
  createCache,
  type PagekeepError,
  type RenderContext,
  type RenderOptions,
  type Store,
} from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { ChaosStore, FakeClock } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import { eventually, gate } from '../../src/testing/contract/contract-test.js'

const setUp = (options: Partial<CacheOptions> = {}, wrap: (store: Store) => Store = (store) => store) => {
  const clock = new FakeClock()
  const store = new MemoryStore({ clock })
  const cache = createCache({ store: wrap(store), clock, showEvictedMs: 1000, ...options })
  const errors: PagekeepError[] = []
  cache.on('error', (error) => errors.push(error))
  let renders = 0
  const read = (more?: RenderOptions) => cache.answer('page', () => `page ${++renders}`, more)
  /** Asks with a render that lasts until it is told what it makes, or that it fails. */
  const ask = (more?: RenderOptions) => {
    const began = gate()
    let end: (body: string | Error) => void = () => undefined
    const ended = new Promise<string>((resolve, reject) => {
      end = (body) => (body instanceof Error ? reject(body) : resolve(body))
    })
    const render = async () => {
      began.open()
      return ended
    }
    return { answer: cache.answer('page', render, more), began: began.passed, end }
  }
  return { clock, store, cache, errors, read, ask, renders: () => renders }
}

const isNew = (cache: ReturnType<typeof setUp>['cache'], body: string) =>
  eventually(async () => (await cache.get('page')) === body, 'the new page is kept')

describe('showEvictedMs', () => {
  it('answers the evicted page at once, as stale and not kept, while one caller renders', async () => {
    const { clock, cache, read, ask } = setUp()
    await read()
    await cache.evict('page')
    const first = ask()
    expect(await first.answer).toMatchObject({ body: 'page 1', status: 'stale', isKept: false })
    await first.began
    clock.advance(999)
    expect(await read()).toMatchObject({ body: 'page 1', status: 'stale', isKept: false })
    first.end('new')
    await isNew(cache, 'new')
    expect(await read()).toMatchObject({ body: 'new', status: 'hit', isKept: true })
  })

  it('tells of the miss and of what was shown', async () => {
    const { clock, cache, read } = setUp()
    await read()
    await cache.evict('page')
    clock.advance(300)
    const told: unknown[] = []
    for (const name of ['hit', 'miss', 'shownEvicted'] as const) {
      cache.on(name, (event) => told.push([name, event]))
    }
    await read()
    expect(told).toEqual([
      ['miss', { key: 'page' }],
      ['shownEvicted', { key: 'page', evictedMsAgo: 300 }],
    ])
  })

  it('ends that long after the eviction of the page, whatever was evicted since: then callers wait', async () => {
    const { clock, cache, read, ask } = setUp()
    await read()
    await cache.evict('page')
    const doomed = ask()
    await doomed.began
    clock.advance(600)
    await cache.evict(['page', '*'])
    expect(await read()).toMatchObject({ body: 'page 1', status: 'stale' })
    clock.advance(400)
    doomed.end('doomed')
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered' })
  })

  it('is off unless it is asked for: by the one who kept the page, and by the one who asks for it', async () => {
    const { cache, read } = setUp({ showEvictedMs: 0 })
    await read()
    await cache.evict('page')
    expect(await read({ showEvictedMs: 1000 })).toMatchObject({ body: 'page 2', status: 'rendered' })
    await cache.evict('page')
    expect(await read()).toMatchObject({ body: 'page 3', status: 'rendered' })
  })

  it('shows for the shorter of the two times', async () => {
    const { clock, cache, read } = setUp()
    await read()
    await cache.evict('page')
    clock.advance(200)
    expect(await read({ showEvictedMs: 200 })).toMatchObject({ body: 'page 2', status: 'rendered' })
    await cache.evict('page')
    clock.advance(1000)
    expect(await read({ showEvictedMs: 5000 })).toMatchObject({ body: 'page 3', status: 'rendered' })
  })

  it('reports a render that failed, and lets the next caller try again, shown the page still', async () => {
    const { cache, errors, read, ask } = setUp()
    await read()
    await cache.evict('page')
    const failing = ask()
    expect((await failing.answer).body).toBe('page 1')
    failing.end(new Error('no database'))
    await eventually(() => errors.length > 0, 'the failure is reported')
    expect(errors[0]).toMatchObject({ code: 'render-failed', key: 'page' })
    expect(await read()).toMatchObject({ body: 'page 1', status: 'stale' })
    await isNew(cache, 'page 2')
  })

  it('goes on when the render was doomed, and ends when the new page is not to be kept', async () => {
    const { cache, read, ask } = setUp()
    await read()
    await cache.evict('page')
    const doomed = ask()
    await doomed.began
    await cache.evict('page')
    doomed.end('doomed')
    const shown = new Set<string>()
    await eventually(async () => {
      const { status, body } = await cache.answer('page', () => 'page 2')
      if (status === 'stale') shown.add(body)
      return status === 'hit'
    }, 'a render that nobody dooms is kept')
    expect([...shown]).toEqual(['page 1'])

    await cache.evict('page')
    const skip = (context: RenderContext) => {
      context.skip()
      return 'not to be kept'
    }
    const isForgotten = async () => (await cache.answer('page', skip)).status !== 'stale'
    expect(await isForgotten()).toBe(false)
    await eventually(isForgotten, 'the evicted page is forgotten')
  })

  it('shows nothing by get(), keys() and verify()', async () => {
    const { cache, read } = setUp()
    await read()
    await cache.evict('page')
    expect(await cache.get('page')).toBeUndefined()
    for await (const key of cache.keys()) expect.fail(`keys() gives ${key}`)
    expect(await cache.verify({ render: () => 'page' })).toMatchObject({ checked: 0, stale: [] })
  })

  it('shows nothing after an eviction of everything, nor when set() has replaced the page', async () => {
    const { cache, store, read } = setUp()
    await read()
    await cache.evict('page')
    await cache.evict('**')
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered' })
    await cache.set('page', 'set')
    expect(store.getEvicted('page')).toBeUndefined()
    await cache.evict('page')
    expect((await read()).body).toBe('set')
  })

  it('shows no evicted page that has expired as well', async () => {
    const { clock, cache, read } = setUp({ ttlMs: 500 })
    await read()
    await cache.evict('page')
    clock.advance(500)
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered' })
  })

  it('shows nothing while the cache is blind', async () => {
    const statuses: string[] = []
    for (const options of [{}, { maxLagMs: 100 }]) {
      const { clock, cache, read } = setUp(options)
      await read()
      await cache.evict('page')
      clock.advance(500)
      statuses.push((await read()).status)
    }
    expect(statuses).toEqual(['stale', 'rendered'])
  })

  it('is never shown to a render: a page is made of the new one, and kept', async () => {
    const { cache, read, renders } = setUp()
    await read()
    await cache.evict('page')
    const outer = await cache.answer('outer', async () => `made of ${(await read()).body}`)
    expect(outer).toMatchObject({ body: 'made of page 2', isKept: true })
    expect(renders()).toBe(2)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5'])('refuses %j', async (showEvictedMs) => {
    const wrong = showEvictedMs as number
    expect(() => createCache({ store: new MemoryStore(), showEvictedMs: wrong })).toThrow('Expected showEvictedMs')
    await expect(setUp().read({ showEvictedMs: wrong })).rejects.toThrow('Expected showEvictedMs')
  })

  it('is refused for a store that cannot show evicted pages', async () => {
    const inner = new MemoryStore()
    const unable = new Proxy(inner, {
      get: (target, name) => (name === 'capabilities' ? {} : Reflect.get(target, name, target)),
    })
    expect(() => createCache({ store: unable, showEvictedMs: 1 })).toThrow(TypeError)
    const cache = createCache({ store: unable, showEvictedMs: 0 })
    await expect(cache.answer('page', () => '', { showEvictedMs: 1 })).rejects.toThrow(/"memory".*keepsEvicted/)
    await expect(cache.set('page', '', { showEvictedMs: 1 })).rejects.toThrow(TypeError)
  })

  it.each(['throw', 'reject', 'stall'] as const)('a store that cannot tell (%s) shows nothing', async (how) => {
    const chaos: ChaosStore[] = []
    const { clock, cache, errors, read } = setUp({ storeTimeoutMs: 50 }, (inner) => {
      chaos.push(new ChaosStore(inner))
      return chaos[0] as Store
    })
    await read()
    await cache.evict('page')
    chaos[0]?.fail('getEvicted', how)
    chaos[0]?.fail('dropEvicted', how)
    const answer = read()
    let isDone = false
    void answer.then(() => {
      isDone = true
    })
    await eventually(() => {
      if (how === 'stall') clock.advance(50)
      return isDone
    }, 'the page is rendered')
    expect(await answer).toMatchObject({ body: 'page 2', status: 'rendered', isKept: true })
    const code = how === 'stall' ? 'store-timeout' : 'store-failed'
    expect(errors.map((error) => error.code)).toEqual([code, code])
  })
})
