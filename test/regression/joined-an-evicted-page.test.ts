/**
 * P2, found by reading and replayed here: a flight that asks the store whether another process kept the
 * page may hold the answer of *before* an eviction. A call that begins after the eviction must not get it.
 */
import { createCache, parseSelector, type Store } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { expect, it } from 'vitest'
import { eventually, gate } from '../../src/testing/contract/contract-test.js'

it('getOrRender() that began after an eviction does not join a flight that read the page before it', async () => {
  const memory = new MemoryStore()
  const answered = gate()
  let looks = 0
  const store: Store = Object.assign(Object.create(memory), {
    name: 'slow',
    capabilities: memory.capabilities,
    state: memory.state,
    begin: (key: string, options?: object) => memory.begin(key, options),
    evict: (selectors: Parameters<MemoryStore['evict']>[0]) => memory.evict(selectors),
    close: () => memory.close(),
    async get(key: string) {
      looks++
      // Another process keeps the page between the first look of the early caller and its second.
      if (looks === 2) await keep('old')
      const page = memory.get(key)
      if (looks === 2) await answered.passed
      return page
    },
  })
  async function keep(body: string) {
    const fill = memory.begin('page.html', { regardless: true })
    if (fill.kind === 'fill') await fill.publish({ body, tags: [], renderBeganAtMs: 0 })
  }
  const cache = createCache({ store })
  const early = cache.getOrRender('page.html', () => 'new')
  await eventually(() => memory.size === 1, 'the early caller looks a second time')
  await cache.evict('page.html')
  expect(memory.evict([parseSelector('page.html')]).removed).toBe(0)
  const late = cache.getOrRender('page.html', () => 'new')
  await eventually(() => looks >= 3, 'the late caller looks')
  answered.open()
  await early
  expect(await late).toBe('new')
})
