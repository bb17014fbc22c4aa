import { EventEmitter } from 'node:events'
import { createCache, type EvictionReport, PagekeepError, signOfLife } from 'pagekeep'
import { observe } from 'pagekeep/metrics'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import { readExposition } from './read-exposition.js'

const memory = () => {
  const store = new MemoryStore()
  return { store, cache: createCache({ store }) }
}

/** An invalidator that says what it is told to. */
class Said {
  readonly #emitter = new EventEmitter()
  state = 'listening'
  on(
    name: string, // biome-ignore lint/suspicious/noExplicitAny: of whichever event
    listener: (event: any) => void,
  ): () => void {
    this.#emitter.on(name, listener)
    return () => this.#emitter.off(name, listener)
  }
  status() {
    const queues = [{ table: 'changed', backlog: 3, setAside: [{}] }]
    return { state: this.state, queues, connections: 2, lastHeardAtMs: 5000 }
  }
  say(name: string, event: unknown): void {
    for (const listener of this.#emitter.listeners(name)) listener(event)
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('observe()', () => {
  it('counts hits, misses, what became of renders, and how long they took', async () => {
    const { cache } = memory()
    const observer = observe({ cache })
    await cache.getOrRender('a', () => 'a')
    await cache.getOrRender('a', () => 'a')
    await cache.getOrRender('a', () => 'a')
    await cache.getOrRender('b', (context) => {
      context.skip()
      return 'b'
    })
    await cache
      .getOrRender('c', () => {
        throw new Error('no')
      })
      .catch(() => undefined)
    await cache.getOrRender('d', async () => {
      await cache.evict('d')
      return 'd'
    })
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_hits_total')).toBe(2)
    expect(found.value('pagekeep_misses_total')).toBe(4)
    expect(found.value('pagekeep_renders_total', { outcome: 'kept' })).toBe(1)
    expect(found.value('pagekeep_renders_total', { outcome: 'unkept' })).toBe(1)
    expect(found.value('pagekeep_renders_total', { outcome: 'failed' })).toBe(1)
    expect(found.value('pagekeep_renders_total', { outcome: 'doomed' })).toBe(1)
    expect(found.value('pagekeep_doomed_total')).toBe(1)
    expect(found.value('pagekeep_doomed_renders_total')).toBe(1)
    expect(found.value('pagekeep_render_duration_seconds_count')).toBe(4)
    expect(found.value('pagekeep_render_duration_seconds_bucket', { le: '+Inf' })).toBe(4)
    expect(found.value('pagekeep_renders_in_flight')).toBe(0)
  })

  it('knows the renders in flight', async () => {
    const { cache } = memory()
    const observer = observe({ cache })
    let finish = () => {}
    let begun = () => {}
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve
    })
    const page = cache.getOrRender('slow', () => {
      begun()
      return new Promise<string>((resolve) => {
        finish = () => resolve('done')
      })
    })
    await hasBegun
    expect(readExposition(await observer.prometheus()).value('pagekeep_renders_in_flight')).toBe(1)
    finish()
    await page
    expect(observer.rendersInFlight).toBe(0)
  })

  it('counts an eviction of the invalidator once, with its why and rules, and one of the app as a call', async () => {
    const { cache } = memory()
    const invalidator = new Said()
    const observer = observe({ cache, invalidator, rules: ['never'] })
    const told: unknown[] = []
    observer.onEviction(({ why, rules, keys }) => told.push([why, rules, keys]))
    await cache.getOrRender('a', () => 'a')
    const report = await cache.evict('a')
    invalidator.say('evicted', { why: 'queue', selectors: ['a'], removed: 1, rules: ['changed'], report })
    await cache.getOrRender('b', () => 'b')
    await cache.evict('b')
    await turn()
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_evictions_total', { why: 'queue' })).toBe(1)
    expect(found.value('pagekeep_evictions_total', { why: 'call' })).toBe(1)
    expect(found.value('pagekeep_removed_pages_total', { why: 'queue' })).toBe(1)
    expect(found.value('pagekeep_rule_evictions_total', { rule: 'changed' })).toBe(1)
    expect(found.value('pagekeep_rule_removed_pages_total', { rule: 'changed' })).toBe(1)
    expect(found.value('pagekeep_rule_evictions_total', { rule: 'never' }), 'a rule that never matched').toBe(0)
    expect(told).toEqual([
      ['queue', ['changed'], ['a']],
      ['call', [], ['b']],
    ])
  })

  it('control: a report that is only alike counts as an eviction of its own', async () => {
    const { cache } = memory()
    const invalidator = new Said()
    const observer = observe({ cache, invalidator })
    const report: EvictionReport = { ...(await cache.evict('a')) }
    invalidator.say('evicted', { why: 'queue', selectors: ['a'], removed: 0, rules: [], report })
    await turn()
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_evictions_total', { why: 'call' })).toBe(1)
    expect(found.value('pagekeep_evictions_total', { why: 'queue' })).toBe(1)
  })

  it('tells the lag from the sign of life, whoever left it, and says nothing of one that never was', async () => {
    const clock = new FakeClock()
    const { cache } = memory()
    const observer = observe({ cache, clock })
    const before = readExposition(await observer.prometheus())
    expect(before.value('pagekeep_lag_seconds')).toBeUndefined()
    expect(before.value('pagekeep_sign_of_life_timestamp_seconds')).toBe(0)
    await cache.state.write(signOfLife, String(clock.now()))
    clock.advance(90_000)
    expect(readExposition(await observer.prometheus()).value('pagekeep_lag_seconds')).toBe(90)
  })

  it('counts how long the cache was blind, also while it still is', async () => {
    const clock = new FakeClock()
    const cache = createCache({ store: new MemoryStore(), maxLagMs: 1000, clock })
    const observer = observe({ cache, clock })
    const look = async () => {
      await cache.getOrRender('a', () => 'a')
      const found = readExposition(await observer.prometheus())
      return [found.value('pagekeep_blind'), found.value('pagekeep_blind_seconds_total')]
    }
    expect(await look()).toEqual([0, 0])
    clock.advance(2000)
    expect(await look()).toEqual([1, 0])
    clock.advance(3000)
    expect(await look()).toEqual([1, 3])
    await cache.state.write(signOfLife, String(clock.now()))
    clock.advance(500)
    expect(await look()).toEqual([0, 3.5])
  })

  it('tells what the invalidator says of itself', async () => {
    const { cache } = memory()
    const invalidator = new Said()
    const observer = observe({ cache, invalidator })
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_invalidator_up')).toBe(1)
    expect(found.value('pagekeep_invalidator_state', { state: 'listening' })).toBe(1)
    expect(found.value('pagekeep_invalidator_state', { state: 'waiting' })).toBe(0)
    expect(found.value('pagekeep_invalidator_connections_total')).toBe(2)
    expect(found.value('pagekeep_invalidator_heard_timestamp_seconds')).toBe(5)
    expect(found.value('pagekeep_backlog_rows', { queue: 'changed' })).toBe(3)
    expect(found.value('pagekeep_set_aside_rows', { queue: 'changed' })).toBe(1)
    invalidator.state = 'waiting'
    invalidator.say('emptied', { reason: 'epoch', message: '' })
    invalidator.say('error', new PagekeepError('database-unreachable', 'gone'))
    const later = readExposition(await observer.prometheus())
    expect(later.value('pagekeep_invalidator_up')).toBe(0)
    expect(later.value('pagekeep_emptied_total', { reason: 'epoch' })).toBe(1)
    expect(later.value('pagekeep_errors_total', { source: 'invalidator', code: 'database-unreachable' })).toBe(1)
  })

  it('tells the size of the store where it is handed in', async () => {
    const { cache, store } = memory()
    const observer = observe({ cache, usage: () => ({ bytes: store.bytes, pages: store.size }) })
    await cache.getOrRender('a', () => 'a')
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_store_pages')).toBe(1)
    expect(found.value('pagekeep_store_bytes')).toBeGreaterThan(0)
  })

  it('keeps no key in a label, and no more than 200 series', async () => {
    const { cache } = memory()
    const invalidator = new Said()
    const observer = observe({ cache, invalidator })
    for (let at = 0; at < 500; at++) {
      await cache.getOrRender(`secret-key-${at}`, () => 'x')
      const report = await cache.evict(`secret-key-${at}`)
      invalidator.say('evicted', { why: 'feed', selectors: [], removed: 1, rules: [`rule ${at}`], report })
    }
    const text = await observer.prometheus()
    expect(text).not.toContain('secret-key')
    expect(text.match(/^pagekeep_rule_evictions_total\{/gm)?.length).toBe(201)
    expect(readExposition(text).value('pagekeep_rule_evictions_total', { rule: 'other' })).toBe(301)
  })

  it('counts nothing more once it is closed', async () => {
    const { cache } = memory()
    const observer = observe({ cache })
    observer.close()
    await cache.getOrRender('a', () => 'a')
    expect(readExposition(await observer.prometheus()).value('pagekeep_misses_total')).toBe(0)
  })

  it('leaves a state that cannot be read out', async () => {
    const { cache } = memory()
    const read = () => Promise.reject(new Error('no'))
    const observer = observe({ cache: { on: cache.on.bind(cache), state: { read } }, usage: read })
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_lag_seconds')).toBeUndefined()
    expect(found.value('pagekeep_store_bytes')).toBeUndefined()
  })
})
