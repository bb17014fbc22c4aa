/** Pages go in and come out whole and unchanged. */
import assert from 'node:assert/strict'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { ContractTest } from './contract-test.js'

export const pageTests: readonly ContractTest[] = [
  {
    title: 'get() returns undefined for a key that was never kept',
    async run(stage) {
      assert.equal(await stage.store.get('a/b.html'), undefined)
    },
  },
  {
    title: 'get() returns text when text was kept',
    async run(stage) {
      const text = '<p>Straße, 日本, 👍</p>\n'
      await stage.keep('a/b.html', text)
      assert.equal(await stage.body('a/b.html'), text)
    },
  },
  {
    title: 'get() asked for bytes returns a text or its bytes in UTF-8, and text again to who asks for none',
    async run(stage) {
      const text = '<p>Straße, 日本, 👍</p>\n'
      await stage.keep('a/b.html', text)
      for (let times = 0; times < 3; times++) {
        const { body = '' } = (await stage.store.get('a/b.html', { asBytes: true })) ?? {}
        assert.equal(Buffer.from(body as string).toString(), text)
        assert.equal(await stage.body('a/b.html'), text)
      }
    },
  },
  {
    title: 'get() asked for a large page that may be a stream returns it, or a stream of it and of each of its parts',
    async run(stage) {
      const text = 'Wört '.repeat(400_000)
      await stage.keep('a/b.html', text)
      const { body = '', streamed } = (await stage.store.get('a/b.html', { asBytes: true, mayStream: true })) ?? {}
      if (streamed === undefined) {
        assert.ok(Buffer.from(body as string).equals(Buffer.from(text)))
        return
      }
      assert.equal(body.length, 0)
      assert.equal(streamed.size, Buffer.byteLength(text))
      for (const [start, end] of [
        [0, streamed.size],
        [999_999, 2_000_001],
      ] as const) {
        const stream = await streamed.open(start, end)
        assert.ok(stream !== undefined)
        assert.ok(Buffer.concat(await stream.toArray()).equals(Buffer.from(text).subarray(start, end)))
      }
      await stage.evict('a/b.html')
      assert.equal(await streamed.open(0, 1), undefined)
    },
  },
  {
    title: 'get() returns bytes when bytes were kept',
    async run(stage) {
      const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256)
      await stage.keep('a/b.png', bytes)
      const body = await stage.body('a/b.png')
      assert.ok(body instanceof Uint8Array)
      assert.deepEqual([...body], [...bytes])
    },
  },
  {
    title: 'get() returns an empty page when an empty page was kept',
    async run(stage) {
      await stage.keep('empty.txt', '')
      await stage.keep('empty.bin', new Uint8Array())
      assert.equal(await stage.body('empty.txt'), '')
      assert.deepEqual(await stage.body('empty.bin').then((body) => body?.length), 0)
    },
  },
  {
    title: 'get() returns with a page that is encoded in the store the same body encoded',
    async run(stage) {
      for (const body of ['<p>Straße</p>\n'.repeat(50), Buffer.from('bytes'), '']) {
        await stage.keep('page', body)
        const { encoded } = (await stage.store.get('page')) ?? {}
        if (encoded === undefined) continue
        const decode = encoded.coding === 'br' ? brotliDecompressSync : gunzipSync
        assert.deepEqual(decode(encoded.bytes), Buffer.from(body as string))
      }
    },
  },
  {
    title: 'get() returns a page of two megabytes whole',
    async run(stage) {
      const text = 'ä'.repeat(1024 * 1024)
      await stage.keep('large.html', text)
      assert.equal(await stage.body('large.html'), text)
    },
  },
  {
    title: 'publish() copies bytes: a buffer that is used again does not change the page',
    async run(stage) {
      const buffer = Buffer.from('first')
      await stage.keep('page.bin', buffer)
      buffer.write('later')
      assert.equal(Buffer.from((await stage.body('page.bin')) as Uint8Array).toString(), 'first')
    },
  },
  {
    title: 'get() returns expiresAtMs and renderMs as they were kept, and does not look at them',
    async run(stage) {
      const fill = await stage.begin('page.html')
      const expiresAtMs = stage.clock.now() - 5000
      await fill.publish({ ...stage.page('old'), expiresAtMs, renderMs: 120 })
      const page = await stage.store.get('page.html')
      assert.deepEqual([page?.expiresAtMs, page?.renderMs], [expiresAtMs, 120])
    },
  },
  {
    title: 'get() returns the metadata as it was kept, and none where none was',
    async run(stage) {
      const metadata = '{"status":404,"headers":[["x-quote","\\"ä\\"\\n"]]}'
      const fill = await stage.begin('page.html')
      await fill.publish({ ...stage.page('described'), metadata })
      assert.equal((await stage.store.get('page.html'))?.metadata, metadata)
      await stage.keep('page.html', 'plain')
      assert.equal((await stage.store.get('page.html'))?.metadata, undefined)
    },
  },
  {
    title: 'publish() replaces the page that was there',
    async run(stage) {
      await stage.keep('page.html', 'one, and longer')
      await stage.keep('page.html', 'two')
      assert.equal(await stage.body('page.html'), 'two')
    },
  },
  {
    title: 'keys() gives the keys of kept pages, those that the selector matches',
    needs: 'canList',
    async run(stage) {
      for (const key of ['a/1.html', 'a/2.html', 'a/b/3.html', 'c.html']) await stage.keep(key, key)
      assert.deepEqual(await stage.keys(), ['a/1.html', 'a/2.html', 'a/b/3.html', 'c.html'])
      assert.deepEqual(await stage.keys('a/**'), ['a/1.html', 'a/2.html', 'a/b/3.html'])
      assert.deepEqual(await stage.keys('a/*'), ['a/1.html', 'a/2.html'])
      assert.deepEqual(await stage.keys('c.html'), ['c.html'])
    },
  },
  {
    title: 'a page is seen by another instance on the same pages',
    needs: 'another',
    async run(stage) {
      await stage.keep('page.html', 'shared')
      assert.equal(await stage.body('page.html', stage.another()), 'shared')
    },
  },
  {
    title: 'state keeps small texts, replaces them, and forgets the empty one',
    async run(stage) {
      const { state } = stage.store
      assert.equal(await state.read('cursor'), undefined)
      await state.write('cursor', '10:20:')
      await state.write('cursor', '30:40:')
      assert.equal(await state.read('cursor'), '30:40:')
      await state.write('cursor', '')
      assert.equal(await state.read('cursor'), undefined)
    },
  },
]
