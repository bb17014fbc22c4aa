/** The promises as a site meets them: `getOrRender` on this store. */
import assert from 'node:assert/strict'
import type { PageCache } from '../../core/cache.js'
import { type ContractTest, eventually, gate } from './contract-test.js'

export const readThroughTests: readonly ContractTest[] = [
  {
    title: 'getOrRender() renders once for two hundred callers',
    async run(stage) {
      const cache = stage.cache()
      await renderOnceFor200([cache])
      assert.equal(await cache.getOrRender('page.html', () => 'not rendered'), 'page')
    },
  },
  {
    title: 'getOrRender() renders once for two hundred callers on two instances',
    needs: 'isSharedByProcesses',
    async run(stage) {
      await renderOnceFor200([stage.cache(), stage.cache(stage.another())])
    },
  },
  {
    title: 'getOrRender() that began after an eviction never gets a render that began before it',
    async run(stage) {
      for (const selector of ['page.html', '**', { tag: 't' }]) {
        const cache = stage.cache()
        const began = gate()
        const rendered = gate()
        let data = 'old'
        const early = cache.getOrRender('page.html', async (context) => {
          const read = data
          began.open()
          await rendered.passed
          context.tag('t')
          return read
        })
        await began.passed
        data = 'new'
        await cache.evict(selector)
        const late = cache.getOrRender('page.html', (context) => {
          context.tag('t')
          return data
        })
        rendered.open()
        assert.equal(await early, 'old')
        assert.equal(await late, 'new')
        assert.equal(await cache.getOrRender('page.html', () => 'not rendered'), 'new')
        await cache.evict('**')
      }
    },
  },
  {
    title: 'getOrRender() whose render fails rejects for all waiters, renders once, and leaves nothing behind',
    async run(stage) {
      const cache = stage.cache()
      const began = gate()
      let renders = 0
      const fails = () =>
        cache.getOrRender('page.html', async () => {
          renders++
          await began.passed
          throw new Error('no database')
        })
      const answers = Array.from({ length: 50 }, fails)
      await eventually(() => renders > 0, 'a render begins')
      began.open()
      for (const answer of await Promise.allSettled(answers)) {
        assert.equal(answer.status === 'rejected' && answer.reason.message, 'no database')
      }
      assert.equal(renders, 1)
      assert.equal(await stage.body('page.html'), undefined)
      assert.equal(await cache.getOrRender('page.html', () => 'works again'), 'works again')
      assert.equal(await stage.body('page.html'), 'works again')
    },
  },
  {
    title: 'getOrRender() answers a page that skip() was called for, and does not keep it',
    async run(stage) {
      const cache = stage.cache()
      const page = await cache.getOrRender('page.html', (context) => {
        context.skip()
        return 'only for you'
      })
      assert.equal(page, 'only for you')
      assert.equal(await stage.body('page.html'), undefined)
    },
  },
  {
    title: 'getOrRender() renders again when the time to live is over',
    async run(stage) {
      const cache = stage.cache()
      let renders = 0
      const read = () => cache.getOrRender('page.html', () => `page ${++renders}`, { ttlMs: 1000 })
      assert.equal(await read(), 'page 1')
      stage.clock.advance(999)
      assert.equal(await read(), 'page 1')
      stage.clock.advance(1)
      assert.equal(await read(), 'page 2')
      assert.equal(await read(), 'page 2')
    },
  },
]

/** Two hundred calls, spread over `caches`, while one render lasts: all get its page, and there is no other. */
async function renderOnceFor200(caches: readonly PageCache[]): Promise<void> {
  const rendered = gate()
  let renders = 0
  const answers = Array.from({ length: 200 }, (_, index) =>
    caches[index % caches.length]?.getOrRender('page.html', async () => {
      renders++
      await rendered.passed
      return 'page'
    }),
  )
  await eventually(() => renders > 0, 'a render begins')
  rendered.open()
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['page']))
  assert.equal(renders, 1)
}
