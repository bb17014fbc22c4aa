/** Pages made of other kept pages: they do not outlive them. */
import assert from 'node:assert/strict'
import type { PageCache } from '../../core/cache.js'
import type { SelectorInput } from '../../core/selector.js'
import { type ContractTest, gate, type Stage } from './contract-test.js'

const part = 'parts/menu/main.html'
const outer = 'pages/home.html'

const waysToEvict: readonly (readonly [string, SelectorInput])[] = [
  ['its key', part],
  ['a tag of it', { tag: 'menu' }],
  ['a subtree above it', 'parts/**'],
  ['a pattern that matches it', 'parts/*/main.*'],
  ['everything', '**'],
]

/** The outer page is made of the part, which is made of another. */
function site(cache: PageCache) {
  const renders = { outer: 0, part: 0 }
  const innermost = () => cache.getOrRender('words/hello.txt', () => 'hello', { tags: ['words'] })
  const renderPart = async (): Promise<string> =>
    cache.getOrRender(part, async (context) => {
      context.tag('menu')
      renders.part++
      return `menu ${renders.part}, ${await innermost()}`
    })
  const home = async (): Promise<string> =>
    cache.getOrRender(outer, async () => {
      renders.outer++
      return `home ${renders.outer}: ${await renderPart()}`
    })
  return { renders, home, renderPart }
}

async function isKept(stage: Stage, key: string): Promise<boolean> {
  return (await stage.body(key)) !== undefined
}

export const partTests: readonly ContractTest[] = [
  ...waysToEvict.map(
    ([way, selector]): ContractTest => ({
      title: `evict() by ${way} evicts the page that is made of the page`,
      async run(stage) {
        const { home } = site(stage.cache())
        assert.equal(await home(), 'home 1: menu 1, hello')
        assert.equal(await home(), 'home 1: menu 1, hello')
        await stage.evict(selector)
        assert.equal(await isKept(stage, outer), false)
        assert.equal(await home(), 'home 2: menu 2, hello')
      },
    }),
  ),
  ...([{ tag: 'words' }, 'words/hello.txt'] as const).map(
    (selector): ContractTest => ({
      title: `evict() by ${typeof selector === 'string' ? 'its key' : 'a tag of it'} evicts what is made of a page made of the page`,
      async run(stage) {
        const { home } = site(stage.cache())
        await home()
        await stage.evict(selector)
        assert.deepEqual([await isKept(stage, part), await isKept(stage, outer)], [false, false])
      },
    }),
  ),
  ...waysToEvict.map(
    ([way, selector]): ContractTest => ({
      title: `publish() does not keep a page of whose part was evicted by ${way} after the page had read it`,
      async run(stage) {
        const cache = stage.cache()
        const { renderPart } = site(cache)
        // Kept before, so that the outer page meets a hit.
        await cache.getOrRender('other.html', renderPart)
        const read = gate()
        const goOn = gate()
        const rendering = cache.getOrRender(outer, async () => {
          const text = await renderPart()
          read.open()
          await goOn.passed
          return text
        })
        await read.passed
        await stage.evict(selector)
        goOn.open()
        assert.equal(await rendering, 'menu 1, hello')
        assert.deepEqual([await isKept(stage, outer), await isKept(stage, 'other.html')], [false, false])
      },
    }),
  ),
  {
    title: 'evict() by another instance evicts the page that is made of the page',
    needs: 'another',
    async run(stage) {
      const other = stage.another()
      const { home } = site(stage.cache())
      for (const [, selector] of waysToEvict) {
        await home()
        await stage.evict(selector, other)
        assert.equal(await isKept(stage, outer), false)
      }
    },
  },
  {
    title: 'evict() leaves a page that is made of others',
    async run(stage) {
      const { home } = site(stage.cache())
      await home()
      await stage.evict(['parts/menu/other.html', 'other/**', { tag: 'other' }])
      assert.equal(await isKept(stage, outer), true)
    },
  },
  {
    title: 'get() gives a lineage only when it is asked for as a part, and never one of a page that is not there',
    async run(stage) {
      await site(stage.cache()).home()
      assert.equal((await stage.store.get(part))?.lineage, undefined)
      assert.equal(typeof (await stage.store.get(part, { asPart: true }))?.lineage, 'string')
      await stage.evict(part)
      assert.equal(await stage.store.get(part, { asPart: true }), undefined)
    },
  },
  {
    title: 'getOrRender() renders a page once more that was kept as no part, and keeps the page that is made of it',
    async run(stage) {
      const cache = stage.cache()
      const { home, renderPart } = site(cache)
      await renderPart()
      await home()
      const text = await home()
      assert.equal(await isKept(stage, outer), true)
      assert.match(text, /^home 1: menu [12], hello$/)
      await stage.evict(part)
      assert.equal(await isKept(stage, outer), false)
    },
  },
  {
    title: 'getOrRender() keeps a page no longer than the first of its parts is fresh',
    async run(stage) {
      const cache = stage.cache()
      const beganAtMs = stage.clock.now()
      await cache.getOrRender(
        outer,
        async () => {
          await cache.getOrRender(part, () => 'short', { ttlMs: 5000 })
          await cache.getOrRender('parts/long.html', () => 'long', { ttlMs: 90_000 })
          return 'both'
        },
        { ttlMs: 60_000 },
      )
      assert.equal((await stage.store.get(outer))?.expiresAtMs, beganAtMs + 5000)
    },
  },
  {
    title: 'getOrRender() answers and does not keep a page of whose parts one is not kept, or failed',
    async run(stage) {
      const cache = stage.cache()
      const skipped = cache.getOrRender(outer, () =>
        cache.getOrRender(part, (context) => {
          context.skip()
          return 'once'
        }),
      )
      assert.equal(await skipped, 'once')
      assert.equal(await isKept(stage, outer), false)
      const failing = cache.getOrRender(outer, () =>
        cache.getOrRender(part, () => Promise.reject(new Error('no menu today'))).catch(() => 'without'),
      )
      assert.equal(await failing, 'without')
      assert.equal(await isKept(stage, outer), false)
    },
  },
]
