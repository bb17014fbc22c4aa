/** Keys that hurt: every one is kept and found, or refused with a clear error; none reaches another's page. */
import assert from 'node:assert/strict'
import { isPagekeepError } from '../../core/errors.js'
import { route } from '../../core/route.js'
import type { ContractTest } from './contract-test.js'

const hostileValues = [
  '..',
  '.',
  '',
  '/',
  '../../etc/passwd',
  'a/b',
  'nul\u0000byte',
  'line\nbreak',
  '%2e%2e',
  '~',
  '~e',
  'a~/b',
  'C:\\windows',
  ' leading and trailing ',
  'x'.repeat(300),
  '.'.repeat(300),
  '日本語'.repeat(60),
  '*',
  '?',
  'page.lock',
  'ü',
  'u\u0308',
]

export const hostileTests: readonly ContractTest[] = [
  {
    title: 'any value in a route is kept under a key of its own',
    async run(stage) {
      const pages = route('value/{value}/page.html')
      for (const value of hostileValues) await stage.keep(pages.key({ value }), value)
      for (const value of hostileValues) assert.equal(await stage.body(pages.key({ value })), value)
      await stage.evict(pages.pattern({ value: '..' }))
      for (const value of hostileValues) {
        assert.equal(await stage.body(pages.key({ value })), value === '..' ? undefined : value)
      }
    },
  },
  {
    title: 'getOrRender() serves a page whose key cannot be used, keeps nothing, and says so',
    async run(stage) {
      const cache = stage.cache()
      const codes: string[] = []
      cache.on('error', (error) => codes.push(error.code))
      const keys = [
        '../escape',
        '/etc/passwd',
        'a//b',
        'a/',
        '',
        'a/../../b',
        'nul\u0000',
        'x'.repeat(300),
        'a/.hidden',
        'a*',
      ]
      for (const key of keys) assert.equal(await cache.getOrRender(key, () => 'page'), 'page')
      assert.deepEqual(
        codes,
        keys.map(() => 'key-invalid'),
      )
      if (stage.store.capabilities.canList) assert.deepEqual(await stage.keys(), [])
      for (const key of keys) await assert.rejects(cache.get(key), (error) => isPagekeepError(error, 'key-invalid'))
    },
  },
  {
    title: 'a page at "foo" and pages below "foo/" do not harm each other',
    async run(stage) {
      const cache = stage.cache()
      cache.on('error', (error) => assert.equal(error.code, 'key-conflict'))
      assert.equal(await cache.getOrRender('foo', () => 'the page'), 'the page')
      assert.equal(await cache.getOrRender('foo/bar', () => 'below'), 'below')
      assert.equal(await cache.getOrRender('foo', () => 'the page'), 'the page')
      await stage.evict('**')
      assert.equal(await cache.getOrRender('foo/bar', () => 'below'), 'below')
      assert.equal(await cache.getOrRender('foo', () => 'the page'), 'the page')
      await stage.evict(['foo', 'foo/**'])
      assert.equal(await stage.body('foo'), undefined)
      assert.equal(await stage.body('foo/bar'), undefined)
    },
  },
  {
    title: 'a segment of 240 bytes and a key of 3000 are kept',
    async run(stage) {
      const long = 'x'.repeat(240)
      const deep = Array.from({ length: 12 }, () => long).join('/')
      for (const key of [`${long}.html`.slice(5), `${deep}/page`]) await stage.keep(key, key)
      for (const key of [`${long}.html`.slice(5), `${deep}/page`]) assert.equal(await stage.body(key), key)
      await stage.evict(`${long}/**`)
      assert.equal(await stage.body(`${deep}/page`), undefined)
    },
  },
  {
    title: 'keys that differ in the case of letters are different pages',
    async run(stage) {
      const pages = route('{name}.html', { letterCase: 'escape' })
      await stage.keep(pages.key({ name: 'README' }), 'upper')
      await stage.keep(pages.key({ name: 'readme' }), 'lower')
      assert.equal(await stage.body(pages.key({ name: 'README' })), 'upper')
      assert.equal(await stage.body(pages.key({ name: 'readme' })), 'lower')
    },
  },
]
