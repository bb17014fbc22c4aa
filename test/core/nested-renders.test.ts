import { AsyncLocalStorage } from 'node:async_hooks'
import { createCache, isPagekeepError, type PageCache } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Making, NestedRenders } from '../../src/core/nested-renders.js'
import type { Store } from '../../src/core/store.js'
import { gate } from '../../src/testing/contract/contract-test.js'

const isRecursive = (error: unknown) => isPagekeepError(error, 'render-recursive')
const open = () => createCache({ store: new MemoryStore() })

async function isKept(cache: PageCache, key: string): Promise<boolean> {
  return (await cache.get(key)) !== undefined
}

describe('getOrRender() within a render', () => {
  it('makes the outer page of the inner one, over timers, callbacks and promises of the render', async () => {
    const cache = open()
    const ways: Record<string, () => Promise<string>> = {
      at_once: () => cache.getOrRender('part', () => 'part'),
      timer: () =>
        new Promise((resolve, reject) => {
          setTimeout(() => cache.getOrRender('part', () => 'part').then(resolve, reject), 0)
        }),
      many: async () => {
        const texts = await Promise.all([1, 2, 3].map(() => cache.getOrRender('part', () => 'part')))
        return texts.join()
      },
      get: async () => String(await cache.get('part')),
    }
    for (const [way, render] of Object.entries(ways)) {
      await cache.getOrRender(way, render)
      expect([way, await isKept(cache, way)]).toEqual([way, true])
    }
    await cache.evict('part')
    for (const way of Object.keys(ways)) expect([way, await isKept(cache, way)]).toEqual([way, false])
  })

  it('leaves alone what is rendered beside it, and what follows it', async () => {
    const cache = open()
    const both = gate()
    const outer = cache.getOrRender('outer', async () => {
      await both.passed
      return cache.getOrRender('part', () => 'part')
    })
    const beside = cache.getOrRender('beside', async () => {
      await both.passed
      return 'beside'
    })
    both.open()
    await Promise.all([outer, beside])
    await cache.getOrRender('later', () => 'later')
    await cache.evict('part')
    expect([await isKept(cache, 'outer'), await isKept(cache, 'beside'), await isKept(cache, 'later')]).toEqual([
      false,
      true,
      true,
    ])
  })

  it('inherits from a flight that somebody else started for a page of its own', async () => {
    const cache = open()
    const go = gate()
    const first = cache.getOrRender('part', async () => {
      await go.passed
      return 'part'
    })
    const outer = cache.getOrRender('outer', () => cache.getOrRender('part', () => 'never'))
    go.open()
    expect(await Promise.all([first, outer])).toEqual(['part', 'part'])
    expect(await isKept(cache, 'outer')).toBe(true)
    await cache.evict('part')
    expect(await isKept(cache, 'outer')).toBe(false)
  })

  it('tells of an outer page that was not kept which part it was made of', async () => {
    const cache = open()
    const told: unknown[] = []
    cache.on('doomed', ({ key, part }) => told.push([key, part]))
    await cache.getOrRender('outer', () =>
      cache.getOrRender('part', (context) => {
        context.skip()
        return 'part'
      }),
    )
    expect(told).toEqual([['outer', 'part']])
  })

  it('keeps no page that is made of a stale one, and refreshes that one', async () => {
    const clock = new FakeClock()
    const cache = createCache({ store: new MemoryStore(), clock, ttlMs: 1000, staleWhileRevalidateMs: 60_000 })
    let version = 1
    const part = () => cache.getOrRender('part', () => `part ${version++}`)
    await cache.getOrRender('first', part)
    clock.advance(2000)
    expect(await cache.getOrRender('second', part)).toBe('part 1')
    expect(await isKept(cache, 'second')).toBe(false)
    await expect.poll(() => cache.get('part')).toBe('part 2')
  })

  it('never keeps an outer page on a store that knows no lineages', async () => {
    const inner = new MemoryStore()
    const store: Store = {
      name: 'plain',
      capabilities: inner.capabilities,
      state: inner.state,
      get: (key) => inner.get(key),
      begin(key, options) {
        const begun = inner.begin(key, options)
        if (begun.kind === 'busy') return begun
        const { kind, state, publish, abandon } = begun
        return { kind, state, publish, abandon }
      },
      evict: (selectors) => inner.evict(selectors),
      keys: (selector) => inner.keys(selector),
      close: () => inner.close(),
    }
    const cache = createCache({ store })
    expect(await cache.getOrRender('outer', () => cache.getOrRender('part', () => 'part'))).toBe('part')
    expect([inner.get('outer'), inner.get('part')?.body]).toEqual([undefined, 'part'])
  })

  it('rejects with render-recursive when a page is made of itself, directly or over others', async () => {
    const cache = open()
    const self = (): Promise<string> => cache.getOrRender('self', self)
    await expect(self()).rejects.toSatisfy(isRecursive)
    const one = (): Promise<string> => cache.getOrRender('one', two)
    const two = (): Promise<string> => cache.getOrRender('two', one)
    await expect(one()).rejects.toThrow('The render of "two" asks for "one", which waits for "two"')
  })

  it('rejects with render-recursive when two renders that others began wait for each other', async () => {
    const cache = open()
    const bothRender = gate()
    const one = (): Promise<string> => cache.getOrRender('one', () => bothRender.passed.then(two))
    const two = (): Promise<string> => cache.getOrRender('two', () => bothRender.passed.then(one))
    const outcomes = Promise.allSettled([one(), two()])
    bothRender.open()
    const reasons = (await outcomes).map((outcome) => outcome.status === 'rejected' && isRecursive(outcome.reason))
    expect(reasons).toContain(true)
  })

  it('takes no turn of its own, nor waits for one that a part has queued for', async () => {
    const cache = createCache({ store: new MemoryStore(), maxRenders: 1 })
    expect(await cache.getOrRender('outer', () => cache.getOrRender('part', () => 'part'))).toBe('part')
    await cache.evict('**')
    const rendering = gate()
    const goOn = gate()
    const outer = cache.getOrRender('outer', async () => {
      rendering.open()
      await goOn.passed
      return cache.getOrRender('part', () => 'never')
    })
    await rendering.passed
    // Queues: the one turn is the outer page's, which is about to wait for this.
    const queued = cache.getOrRender('part', () => 'queued')
    goOn.open()
    expect(await Promise.all([outer, queued])).toEqual(['queued', 'queued'])
    expect(await cache.getOrRender('next', () => 'next')).toBe('next')
  })
})

describe('during()', () => {
  it('follows the context while renders are under way, and gives it up when the last has ended, well or not', async () => {
    const disable = vi.spyOn(AsyncLocalStorage.prototype, 'disable')
    onTestFinished(() => disable.mockRestore())
    const nested = new NestedRenders()
    const [one, other] = [gate(), gate()]
    const made = (key: string, until: Promise<void>) =>
      nested.during(new Making(key, undefined), async () => {
        await until
        return nested.current?.key
      })
    const first = made('one', one.passed)
    const second = made('other', other.passed)
    one.open()
    expect(await first).toBe('one')
    expect(disable).not.toHaveBeenCalled()
    other.open()
    expect(await second).toBe('other')
    expect(disable).toHaveBeenCalledOnce()
    const failed = nested.during(new Making('again', undefined), () => Promise.reject(new Error('no such row')))
    await expect(failed).rejects.toThrow('no such row')
    expect(disable).toHaveBeenCalledTimes(2)
    expect(nested.current).toBe(undefined)
  })
})
