import { createCache } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../src/testing/contract/contract-test.js'

const setUp = async (keys: readonly string[]) => {
  const clock = new FakeClock()
  const cache = createCache({ store: new MemoryStore(), clock })
  const data = new Map(keys.map((key) => [key, 1]))
  const render = (key: string) => `${key} ${data.get(key)}`
  for (const key of keys) await cache.getOrRender(key, () => render(key))
  const found: string[] = []
  cache.on('staleFound', ({ key }) => found.push(key))
  return { clock, cache, data, render, found }
}

describe('verify()', () => {
  it('finds the stale page, tells it, and counts the nines', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => `page/${index}.html`)
    const { clock, cache, data, render, found } = await setUp(keys)
    data.set('page/7.html', 2)
    const verification = cache.verify({ render })
    await eventually(() => clock.timers > 0, 'the grace begins')
    clock.advance(1000)
    expect(await verification).toEqual({ checked: 100, undecided: 0, failed: [], stale: ['page/7.html'], nines: 2 })
    expect(found).toEqual(['page/7.html'])
  })

  it('finds nothing where nothing is stale', async () => {
    const { cache, render } = await setUp(['a', 'b'])
    expect(await cache.verify({ render })).toMatchObject({ checked: 2, stale: [], nines: Number.POSITIVE_INFINITY })
  })

  it('does not accuse a page whose eviction was on its way', async () => {
    const { clock, cache, data, render } = await setUp(['a'])
    data.set('a', 2)
    const verification = cache.verify({ render, graceMs: 200 })
    await eventually(() => clock.timers > 0, 'the grace begins')
    await cache.evict('a')
    clock.advance(200)
    expect(await verification).toMatchObject({ checked: 0, undecided: 1, stale: [] })
  })

  it('overlooks what differs by design, takes samples, and counts renders that fail', async () => {
    const { cache } = await setUp(Array.from({ length: 50 }, (_, index) => `k${index}`))
    const normalise = (body: string) => body.replace(/now \d+/, '')
    await cache.set('clock', 'x now 1')
    expect(await cache.verify({ selector: 'clock', render: () => 'x now 2', normalise })).toMatchObject({
      checked: 1,
      stale: [],
    })
    const fails = () => {
      throw new Error('no database')
    }
    const half = await cache.verify({ selector: 'k*', render: fails, sample: 0.5 })
    expect(half.failed.length).toBeGreaterThan(0)
    expect(half.failed.length).toBeLessThan(50)
    await expect(cache.verify({ render: fails, sample: 0 })).rejects.toThrow(RangeError)
  })
})
