/** Evicted pages that are shown for a while: as they were, to those who ask for them by name, and never kept again. */
import assert from 'node:assert/strict'
import type { SelectorInput } from '../../core/selector.js'
import type { NewPage, PageBody, Store } from '../../core/store.js'
import type { Actor } from './actor.js'
import { type ContractTest, eventually, gate, type Stage } from './contract-test.js'

const key = 'a/b/page.html'
const longMs = 600_000

const waysToEvict: readonly (readonly [string, SelectorInput])[] = [
  ['key', key],
  ['subtree', 'a/**'],
  ['pattern', 'a/*/page.*'],
  ['tag', { tag: 't' }],
]

async function keep(stage: Stage, body: PageBody, more: Partial<NewPage> = {}, store = stage.store): Promise<void> {
  const page = { ...stage.page(body, ['t']), showEvictedMs: longMs, ...more }
  assert.equal(await (await stage.begin(key, store)).publish(page), 'kept')
}

async function evicted(store: Store): Promise<PageBody | undefined> {
  return (await store.getEvicted?.(key))?.page.body
}

/** Renders that last until they are told what they make. */
function renderer() {
  const ready = gate()
  const renderer = { ready, renders: 0, body: '', began: gate(), render: async () => '' }
  renderer.render = async () => {
    renderer.renders++
    renderer.began.open()
    await ready.passed
    return renderer.body
  }
  return renderer
}

const needs = 'keepsEvicted'

const perKind: readonly ContractTest[] = waysToEvict.map(([kind, selector]) => ({
  title: `getEvicted() gives the page that was evicted by ${kind}, and no one else sees it`,
  needs: kind === 'pattern' ? [needs, 'canList'] : needs,
  async run(stage) {
    await keep(stage, 'the page', { metadata: 'of the page' })
    await stage.evict(selector)
    const { page, evictedMsAgo = -1 } = (await stage.store.getEvicted?.(key)) ?? {}
    assert.deepEqual([page?.body, page?.metadata], ['the page', 'of the page'])
    assert.equal(page?.renderBeganAtMs, stage.clock.now())
    assert.ok(evictedMsAgo >= 0 && evictedMsAgo < longMs)
    assert.equal(await stage.body(key), undefined)
    assert.equal(await stage.cache().get(key), undefined)
    if (stage.store.capabilities.canList) assert.deepEqual(await stage.keys(), [])
  },
}))

export const softEvictionTests: readonly ContractTest[] = [
  ...perKind,
  {
    title: 'getEvicted() gives bytes as bytes, and text beyond ASCII as it was',
    needs,
    async run(stage) {
      for (const body of ['naïve 頁', '', Uint8Array.of(0, 255, 13, 10)]) {
        await keep(stage, body)
        await stage.evict(key)
        const found = await evicted(stage.store)
        assert.equal(typeof found, typeof body)
        assert.deepEqual(Buffer.from(found ?? 'none'), Buffer.from(body))
      }
    },
  },
  {
    title: 'getEvicted() gives nothing of a page that is kept, that was kept without showEvictedMs, or never was',
    needs,
    async run(stage) {
      assert.equal(await evicted(stage.store), undefined)
      await keep(stage, 'kept')
      assert.equal(await evicted(stage.store), undefined)
      await stage.evict('**')
      await stage.keep(key, 'without', ['t'])
      await stage.evict(key)
      assert.equal(await evicted(stage.store), undefined)
    },
  },
  {
    title: 'getEvicted() gives nothing after showEvictedMs, however often the key was evicted again meanwhile',
    needs,
    async run(stage) {
      await keep(stage, 'the page', { showEvictedMs: 20 })
      await eventually(async () => {
        await stage.evict([key, { tag: 't' }, 'a/**'])
        return (await evicted(stage.store)) === undefined
      }, 'the page is shown no more')
      await stage.evict(key)
      assert.equal(await evicted(stage.store), undefined)
    },
  },
  {
    title: 'getEvicted() gives nothing after dropEvicted() and after an eviction of everything',
    needs,
    async run(stage) {
      await keep(stage, 'one')
      await stage.evict(key)
      await stage.store.dropEvicted?.(key)
      assert.equal(await evicted(stage.store), undefined)
      await stage.store.dropEvicted?.(key)
      await keep(stage, 'two')
      await stage.evict(key)
      await stage.evict('**')
      assert.equal(await evicted(stage.store), undefined)
      await keep(stage, 'three')
      await stage.evict('**')
      assert.equal(await evicted(stage.store), undefined)
    },
  },
  {
    title: 'getEvicted() gives the last of several pages of the key',
    needs,
    async run(stage) {
      for (const body of ['one', 'two', 'three']) {
        await keep(stage, body, { metadata: `of ${body}` })
        await stage.evict(key)
        const found = await stage.store.getEvicted?.(key)
        assert.deepEqual([found?.page.body, found?.page.metadata], [body, `of ${body}`])
      }
    },
  },
  {
    title: 'an evicted page is shown by, and dropped for, another instance',
    needs: [needs, 'another'],
    async run(stage) {
      const other = stage.another()
      await keep(stage, 'the page')
      await stage.evict(key, other)
      for (const store of [stage.store, other]) assert.equal(await evicted(store), 'the page')
      await other.dropEvicted?.(key)
      for (const store of [stage.store, other]) assert.equal(await evicted(store), undefined)
    },
  },
  {
    title: 'a page evicted while it is still shown from before is kept out as any other',
    needs,
    async run(stage) {
      await keep(stage, 'one')
      await stage.evict(key)
      const fill = await stage.begin(key)
      await stage.evict(key)
      assert.equal(await fill.publish({ ...stage.page('two', ['t']), showEvictedMs: longMs }), 'doomed')
      assert.equal(await stage.body(key), undefined)
      assert.equal(await evicted(stage.store), 'one')
    },
  },
  {
    title: 'getOrRender() with showEvictedMs answers the evicted page at once while one renders, then the new one',
    needs,
    async run(stage) {
      const cache = stage.cache()
      const options = { showEvictedMs: longMs }
      await cache.getOrRender(key, () => 'old', options)
      await cache.evict(key)
      const next = renderer()
      next.body = 'new'
      const asked = Array.from({ length: 200 }, () => cache.answer(key, next.render, options))
      for (const { body, status, isKept } of await Promise.all(asked)) {
        assert.deepEqual([body, status, isKept], ['old', 'stale', false])
      }
      // Only who asks for it is shown it.
      const patient = cache.getOrRender(key, next.render)
      await next.began.passed
      assert.equal(next.renders, 1)
      next.ready.open()
      assert.equal(await patient, 'new')
      assert.equal(await cache.getOrRender(key, () => 'not rendered', options), 'new')
      assert.equal(await evicted(stage.store), undefined)
    },
  },
  {
    title: 'getOrRender() with showEvictedMs shows the evicted page while another instance renders',
    needs: [needs, 'another', 'isSharedByProcesses'],
    async run(stage) {
      const caches = [stage.cache(), stage.cache(stage.another())] as const
      const options = { showEvictedMs: longMs }
      await caches[0].getOrRender(key, () => 'old', options)
      await caches[1].evict({ pattern: 'a/**' })
      const next = renderer()
      next.body = 'new'
      const rendering = caches[0].getOrRender(key, next.render)
      await next.began.passed
      const meanwhile = renderer()
      assert.equal(await caches[1].getOrRender(key, meanwhile.render, options), 'old')
      next.ready.open()
      assert.equal(await rendering, 'new')
      await eventually(async () => (await caches[1].get(key)) === 'new', 'the new page is kept')
      // What it has begun in the background ends by finding that page.
      await caches[1].close()
      assert.equal(meanwhile.renders, 0)
    },
  },
  {
    title: 'a process shows the page that another evicted, while a third renders',
    needs: [needs, 'process', 'isSharedByProcesses'],
    async run(stage) {
      const [evictor, one, two] = (await stage.crew(3)) as [Actor, Actor, Actor]
      const options = { showEvictedMs: longMs }
      await one.ask(key, { body: 'old', ...options })
      await evictor.evict('a/**')
      const rendering = one.ask(key)
      await one.rendering(2)
      assert.deepEqual(await two.ask(key, { callers: 5, ...options }), { answers: ['old'], count: 5 })
      assert.equal(await two.get(key), undefined)
      await one.finish('new')
      assert.deepEqual(await rendering, { answers: ['new'], count: 1 })
      assert.equal(await two.get(key), 'new')
      assert.deepEqual(await two.ask(key, options), { answers: ['new'], count: 1 })
    },
  },
]
