/** P1: when an eviction has ended, no page whose render began before it is in the store, now or later. */
import assert from 'node:assert/strict'
import type { SelectorInput } from '../../core/selector.js'
import type { ContractTest } from './contract-test.js'

const kinds: Readonly<Record<string, SelectorInput>> = {
  key: 'a/b/page.html',
  subtree: 'a/**',
  'subtree of everything': '**',
  pattern: 'a/*/page.*',
  tag: { tag: 'port:1' },
}

const duringRender = Object.entries(kinds).flatMap(([kind, selector]): ContractTest[] => [
  {
    title: `an eviction by ${kind} removes a kept page`,
    ...(kind === 'pattern' && { needs: 'canList' as const }),
    async run(stage) {
      await stage.keep('a/b/page.html', 'old', ['port:1'])
      await stage.evict(selector)
      assert.equal(await stage.body('a/b/page.html'), undefined)
    },
  },
  {
    title: `an eviction by ${kind} during the render keeps the page out`,
    ...(kind === 'pattern' && { needs: 'canList' as const }),
    async run(stage) {
      const fill = await stage.begin('a/b/page.html')
      await stage.evict(selector)
      assert.equal(await fill.publish(stage.page('old', ['port:1'])), 'doomed')
      assert.equal(await stage.body('a/b/page.html'), undefined)
    },
  },
  {
    title: `an eviction by ${kind} by another instance, during the render, keeps the page out`,
    needs: 'another',
    async run(stage) {
      const other = stage.another()
      await stage.keep('a/b/page.html', 'older', ['port:1'])
      const fill = await stage.begin('a/b/page.html')
      await stage.evict(selector, other)
      assert.equal(await stage.body('a/b/page.html'), undefined)
      assert.equal(await fill.publish(stage.page('old', ['port:1'])), 'doomed')
      assert.equal(await stage.body('a/b/page.html', other), undefined)
    },
  },
  {
    title: `a page whose render began after an eviction by ${kind} is kept`,
    ...(kind === 'pattern' && { needs: 'canList' as const }),
    async run(stage) {
      await stage.keep('a/b/page.html', 'old', ['port:1'])
      await stage.evict(selector)
      await stage.keep('a/b/page.html', 'new', ['port:1'])
      assert.equal(await stage.body('a/b/page.html'), 'new')
    },
  },
])

export const evictionTests: readonly ContractTest[] = [
  ...duringRender,
  {
    title: 'evict() touches nothing else',
    needs: 'canList',
    async run(stage) {
      const keys = ['a/b.html', 'a/b.xml', 'a/c/d.html', 'ab/x.html', 'a.html', 'news/index.html']
      for (const key of keys) await stage.keep(key, key, [`tag-of:${key}`])
      const left = async (selector: SelectorInput) => {
        await stage.evict(selector)
        return stage.keys()
      }
      assert.deepEqual(await left('a/b.*'), ['a.html', 'a/c/d.html', 'ab/x.html', 'news/index.html'])
      assert.deepEqual(await left('a/**'), ['a.html', 'ab/x.html', 'news/index.html'])
      assert.deepEqual(await left({ tag: 'tag-of:a.html' }), ['ab/x.html', 'news/index.html'])
      assert.deepEqual(await left('ab/x.html'), ['news/index.html'])
    },
  },
  {
    title: 'evict() takes keys, patterns and tags in one call, and reports what was removed',
    needs: 'canList',
    async run(stage) {
      await stage.keep('a.html', 'a')
      await stage.keep('b/1.html', 'b')
      await stage.keep('c.html', 'c', ['t'])
      await stage.keep('d.html', 'd')
      await stage.evict(['a.html', 'b/*', { tag: 't' }, 'not-there.html'])
      assert.deepEqual(await stage.keys(), ['d.html'])
      const { removed, keys } = await stage.evict('d.html')
      assert.deepEqual({ removed, keys }, { removed: 1, keys: ['d.html'] })
    },
  },
  {
    title: 'evict() of what is not there is no failure',
    async run(stage) {
      const { removed } = await stage.evict(['nothing.html', 'no/where/**', { tag: 'none' }])
      assert.equal(removed, 0)
    },
  },
  {
    title: 'evict() by a tag reaches every page that has it, and a page under each of its tags',
    async run(stage) {
      for (const key of ['1.html', '2.html', '3.html']) await stage.keep(key, key, ['shared', `only:${key}`])
      await stage.evict({ tag: 'only:2.html' })
      assert.equal(await stage.body('2.html'), undefined)
      assert.equal(await stage.body('1.html'), '1.html')
      await stage.evict({ tag: 'shared' })
      assert.equal(await stage.body('1.html'), undefined)
      assert.equal(await stage.body('3.html'), undefined)
    },
  },
  {
    title: 'an eviction by tag during the render, of a tag that only the last render had, still finds the new page',
    async run(stage) {
      await stage.keep('page.html', 'one', ['before'])
      await stage.keep('page.html', 'two', ['after'])
      await stage.evict({ tag: 'after' })
      assert.equal(await stage.body('page.html'), undefined)
    },
  },
  {
    title: 'an eviction dooms fills that began regardless of another as well',
    async run(stage) {
      const first = await stage.begin('page.html')
      const second = await stage.store.begin('page.html', { regardless: true })
      assert.equal(second.kind, 'fill')
      await stage.evict('page.html')
      assert.equal(await first.publish(stage.page('one')), 'doomed')
      assert.equal(second.kind === 'fill' && (await second.publish(stage.page('two'))), 'doomed')
      assert.equal(await stage.body('page.html'), undefined)
    },
  },
]
