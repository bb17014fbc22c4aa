import fc from 'fast-check'
import { type CacheOptions, createCache, isPagekeepError, type PagekeepError } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it, vi } from 'vitest'
import { expiryOf, judge } from '../../src/core/freshness.js'
import { eventually, gate } from '../../src/testing/contract/contract-test.js'

const setUp = (options: Partial<CacheOptions> = {}) => {
  const clock = new FakeClock()
  const cache = createCache({ store: new MemoryStore(), clock, ttlMs: 1000, ...options })
  const errors: PagekeepError[] = []
  cache.on('error', (error) => errors.push(error))
  let renders = 0
  const read = () => cache.answer('page', () => `page ${++renders}`)
  return { clock, cache, errors, read, renders: () => renders }
}

describe('ttlJitter', () => {
  it('shortens the time to live by up to that fraction, and never lengthens it', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (jitter, random) => {
          const expiresAtMs = expiryOf(10_000, jitter, 5000, () => random) ?? 0
          expect(expiresAtMs).toBeLessThanOrEqual(15_000)
          expect(expiresAtMs).toBeGreaterThanOrEqual(5000 + Math.max(1, Math.floor(10_000 * (1 - jitter))))
        },
      ),
    )
  })

  it.each([-0.1, 1.1, Number.NaN])('refuses %j', (ttlJitter) => {
    expect(() => createCache({ store: new MemoryStore(), ttlJitter })).toThrow('Expected ttlJitter')
  })
})

describe('staleWhileRevalidateMs', () => {
  it('answers the expired page at once and renders the next in the background, once', async () => {
    const { clock, cache, read, renders } = setUp({ staleWhileRevalidateMs: 500 })
    await read()
    clock.advance(1200)
    const answers = await Promise.all([read(), read(), read()])
    expect(answers.map(({ body, status }) => [body, status])).toEqual(Array(3).fill(['page 1', 'stale']))
    await eventually(async () => (await cache.get('page')) === 'page 2', 'the background render is kept')
    expect(renders()).toBe(2)
  })

  it('renders in front of the caller when that time is over too', async () => {
    const { clock, read } = setUp({ staleWhileRevalidateMs: 500 })
    await read()
    clock.advance(1500)
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered' })
  })

  it('never shows an evicted page', async () => {
    const { clock, cache, read } = setUp({ staleWhileRevalidateMs: 500 })
    await read()
    clock.advance(1200)
    await cache.evict('page')
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered' })
  })

  it('reports a background render that failed, and goes on serving', async () => {
    const { clock, cache, errors, read } = setUp({ staleWhileRevalidateMs: 500 })
    await read()
    clock.advance(1200)
    const fails = () => {
      throw new Error('no database')
    }
    expect(await cache.getOrRender('page', fails)).toBe('page 1')
    await eventually(() => errors.length > 0, 'the failure is reported')
    expect(errors[0]).toMatchObject({ code: 'render-failed', key: 'page' })
  })
})

describe('earlyRefresh', () => {
  it('refreshes in the background before the time, the likelier the nearer it is', async () => {
    const page = { body: '', renderBeganAtMs: 0, expiresAtMs: 10_000, renderMs: 100 }
    const share = (nowMs: number) => {
      const draws = Array.from({ length: 1000 }, (_, index) =>
        judge(page, { earlyRefresh: 1 }, nowMs, () => index / 1000),
      )
      return draws.filter((verdict) => verdict === 'refresh').length / 1000
    }
    expect(share(9000)).toBeLessThan(0.001)
    expect(share(9900)).toBeCloseTo(Math.exp(-1), 2)
    expect(share(9990)).toBeCloseTo(Math.exp(-0.1), 2)
    expect(judge(page, {}, 9999, () => 0.999999)).toBe('fresh')
  })

  it('answers a hit while it renders anew', async () => {
    const { clock, cache, renders } = setUp({ earlyRefresh: 1, random: () => 0.99 })
    const read = () =>
      cache.answer('page', () => {
        clock.advance(100)
        return `page ${renders()} of ${clock.now()}`
      })
    const first = await read()
    clock.advance(800)
    expect(await read()).toMatchObject({ body: first.body, status: 'hit' })
    await eventually(async () => (await cache.get('page')) !== first.body, 'the early render is kept')
  })
})

describe('staleIfErrorMs', () => {
  const failing = () => {
    throw new Error('no database')
  }

  it('answers the expired page when the render fails, to everyone who waited, and says so', async () => {
    const { clock, cache, errors, read } = setUp({ staleIfErrorMs: 5000 })
    await read()
    clock.advance(5999)
    const answers = await Promise.all([cache.answer('page', failing), cache.answer('page', failing)])
    expect(answers.map(({ body, status }) => [body, status])).toEqual(Array(2).fill(['page 1', 'stale']))
    expect(errors.map(({ code }) => code)).toEqual(['render-failed', 'render-failed'])
  })

  it('rejects when that time is over too', async () => {
    const { clock, cache, read } = setUp({ staleIfErrorMs: 5000 })
    await read()
    clock.advance(6000)
    await expect(cache.answer('page', failing)).rejects.toThrow('no database')
  })
})

describe('softTimeoutMs', () => {
  it('answers the expired page when the render takes longer, and the render goes on', async () => {
    const { clock, cache, read } = setUp({ staleIfErrorMs: 5000, softTimeoutMs: 300 })
    await read()
    clock.advance(2000)
    const began = gate()
    const rendered = gate()
    const answer = cache.answer('page', async () => {
      began.open()
      await rendered.passed
      return 'slow page'
    })
    await began.passed
    clock.advance(300)
    expect(await answer).toMatchObject({ body: 'page 1', status: 'stale' })
    rendered.open()
    await eventually(async () => (await cache.get('page')) === 'slow page', 'the slow page is kept')
  })
})

describe('renderTimeoutMs', () => {
  it('aborts the signal, rejects for all waiters, keeps nothing, and lets the next caller render', async () => {
    const { clock, cache } = setUp({ renderTimeoutMs: 700 })
    const began = gate()
    let signal: AbortSignal | undefined
    const late = gate()
    const slow = async (context: { signal: AbortSignal }) => {
      signal = context.signal
      began.open()
      await late.passed
      return 'too late'
    }
    const answers = Promise.allSettled([cache.getOrRender('page', slow), cache.getOrRender('page', slow)])
    await began.passed
    clock.advance(700)
    for (const answer of await answers) {
      expect(answer.status === 'rejected' && isPagekeepError(answer.reason, 'render-timeout')).toBe(true)
    }
    expect(signal?.aborted).toBe(true)
    expect(await cache.getOrRender('page', () => 'next')).toBe('next')
    late.open()
    expect(await cache.getOrRender('page', () => 'not rendered')).toBe('next')
  })
})

describe('context.negative()', () => {
  it('keeps what is not there for negativeTtlMs, by default not at all', async () => {
    for (const negativeTtlMs of [undefined, 100]) {
      const { clock, cache } = setUp(negativeTtlMs === undefined ? {} : { negativeTtlMs })
      const render = vi.fn((context: { negative(): void }) => {
        context.negative()
        return 'not found'
      })
      await cache.getOrRender('page', render)
      await cache.getOrRender('page', render)
      expect(render).toHaveBeenCalledTimes(negativeTtlMs === undefined ? 2 : 1)
      clock.advance(100)
      await cache.getOrRender('page', render)
      expect(render).toHaveBeenCalledTimes(negativeTtlMs === undefined ? 3 : 2)
    }
  })
})

describe('maxRenders', () => {
  it('bounds the renders at a time; one more than the queue holds fails with renders-full', async () => {
    const { cache } = setUp({ maxRenders: 2, maxQueuedRenders: 1 })
    const rendered = gate()
    let running = 0
    let most = 0
    const render = async () => {
      most = Math.max(most, ++running)
      await rendered.passed
      running--
      return 'page'
    }
    const answers = ['a', 'b', 'c'].map((key) => cache.getOrRender(key, render))
    await eventually(() => running === 2, 'two renders begin')
    await expect(cache.getOrRender('d', render)).rejects.toSatisfy((error) => isPagekeepError(error, 'renders-full'))
    rendered.open()
    expect(await Promise.all(answers)).toEqual(['page', 'page', 'page'])
    expect(most).toBe(2)
    expect(await cache.getOrRender('d', render)).toBe('page')
  })

  it('gives the slot back when a render fails', async () => {
    const { cache } = setUp({ maxRenders: 1, maxQueuedRenders: 0 })
    const fails = () => cache.getOrRender('a', () => Promise.reject(new Error('no database')))
    for (let attempt = 0; attempt < 3; attempt++) await expect(fails()).rejects.toThrow('no database')
    expect(await cache.getOrRender('a', () => 'page')).toBe('page')
  })

  it.each([0, 1.5, Number.NaN])('refuses %j', (maxRenders) => {
    expect(() => createCache({ store: new MemoryStore(), maxRenders })).toThrow('Expected maxRenders')
  })
})

describe('maxLagMs', () => {
  it('renders through while the invalidator is not heard, says so once, and returns by itself', async () => {
    const { clock, cache, read } = setUp({ maxLagMs: 10_000, ttlMs: 1_000_000 })
    const told: string[] = []
    cache.on('blind', ({ lagMs }) => told.push(`blind ${lagMs}`))
    cache.on('sighted', () => told.push('sighted'))
    await cache.state.write('sign-of-life', String(clock.now()))
    expect(await read()).toMatchObject({ body: 'page 1', isKept: true })
    clock.advance(10_000)
    expect(await read()).toMatchObject({ body: 'page 1', status: 'hit' })
    clock.advance(1)
    expect(await read()).toMatchObject({ body: 'page 2', status: 'rendered', isKept: false })
    expect(await read()).toMatchObject({ body: 'page 3', status: 'rendered', isKept: false })
    await cache.state.write('sign-of-life', String(clock.now()))
    clock.advance(2500)
    expect(await read()).toMatchObject({ body: 'page 1', status: 'hit' })
    expect(told).toEqual(['blind 10001', 'sighted'])
  })

  it('is blind at once on pages whose invalidator was last heard too long ago', async () => {
    const { clock, cache, read } = setUp({ maxLagMs: 10_000 })
    await cache.state.write('sign-of-life', String(clock.now() - 60_000))
    expect(await read()).toMatchObject({ isKept: false })
  })
})
