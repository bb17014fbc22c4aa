/** Large pages that are read while they are sent. */
import { renameSync, rmSync, symlinkSync, truncateSync } from 'node:fs'
import { text as textOf } from 'node:stream/consumers'
import { type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import type { KeptPage } from '../../../src/core/store.js'
import { openFiles } from '../../support/open-files.js'
import { begin, evict, keep, page, Stage } from './stage.js'

const stage = new Stage()
const large = 'Wört 👍 '.repeat(100_000)
const size = Buffer.byteLength(large)
const form = { asBytes: true, mayStream: true }

async function openOf(store: ReturnType<Stage['open']>, start = 0, end = size) {
  const kept = (await store.get('a.html', form)) as KeptPage
  return (await kept.streamed?.open(start, end)) ?? expect.fail('no stream')
}

const held = () => openFiles(stage.path('a.html'))

describe('get() with mayStream of a page of more than a mebibyte', () => {
  for (const options of [{}, { io: 'async' }] as const) {
    it(`gives a stream and all that is known of it (${JSON.stringify(options)})`, async () => {
      const store = stage.open(options)
      const more = { renderBeganAtMs: 1, expiresAtMs: 2, metadata: 'status: 404' }
      begin(store, 'a.html').publish(page(large, [], more))
      const kept = (await store.get('a.html', form)) as KeptPage
      expect(kept).toEqual({ ...more, body: Buffer.alloc(0), streamed: { size, open: expect.any(Function) } })
      expect(await textOf(await openOf(store))).toBe(large)
      expect(await textOf(await openOf(store, 10, 200_000))).toBe(Buffer.from(large).subarray(10, 200_000).toString())
      expect((await store.get('a.html'))?.body === large).toBe(true)
    })
  }

  it('gives no stream of a smaller page, of one in a coding, nor to who did not ask', async () => {
    const [plain, coded] = [stage.open(), stage.open({ directory: stage.path('coded'), coding: 'gzip' })]
    keep(plain, 'small.html', 'x'.repeat(1024 * 1024))
    keep(plain, 'a.html', large)
    expect(await begin(coded, 'a.html').publish(page(large))).toBe('kept')
    expect(await plain.get('small.html', form)).not.toHaveProperty('streamed')
    expect(await plain.get('a.html', { asBytes: true })).not.toHaveProperty('streamed')
    const kept = (await coded.get('a.html', form)) as KeptPage
    expect(kept).not.toHaveProperty('streamed')
    expect((kept.body as Buffer).toString() === large).toBe(true)
  })

  it('opens no page that was evicted or replaced since it was found', async () => {
    const store = stage.open()
    const acts = [
      () => evict(store, 'a.html'),
      () => keep(store, 'a.html', large.replaceAll('W', 'w')),
      () => rmSync(stage.path('a.html')),
      () => truncateSync(stage.path('a.html'), 5),
    ]
    for (const act of acts) {
      keep(store, 'a.html', large)
      const kept = (await store.get('a.html', form)) as KeptPage
      await act()
      expect(await kept.streamed?.open(0, size)).toBeUndefined()
    }
    expect(held()).toEqual([])
  })

  it('twin: where the stats hide the change, another page is opened', async () => {
    let hidden: ReturnType<Files['fstat']> | undefined
    const files: Files = {
      ...systemFiles,
      fstat(fd) {
        hidden = systemFiles.fstat(fd)
        return hidden
      },
      fstatLater: async (fd) => hidden ?? systemFiles.fstatLater(fd),
    }
    const store = stage.open({ files })
    keep(store, 'a.html', large)
    const kept = (await store.get('a.html', form)) as KeptPage
    const looked = hidden
    keep(store, 'a.html', large.replaceAll('W', 'w'))
    hidden = looked
    const stream = (await kept.streamed?.open(0, size)) ?? expect.fail('not opened')
    expect(await textOf(stream)).toContain('wört')
  })

  it('sends the whole of a page that is evicted or replaced meanwhile', async () => {
    const store = stage.open()
    keep(store, 'a.html', large)
    const stream = await openOf(store)
    stream.read(1)
    await evict(store, 'a.html')
    keep(store, 'a.html', 'another')
    expect((await textOf(stream)).length).toBeGreaterThan(large.length - 2)
  })

  it('fails where the file is cut while it is sent, and says so', async () => {
    const store = stage.open()
    keep(store, 'a.html', large)
    const stream = await openOf(store)
    truncateSync(stage.path('a.html'), 70_000)
    await expect(textOf(stream)).rejects.toThrow('was cut to 70000 bytes while it was sent')
    expect(stage.faults.splice(0).map(({ code }) => code)).toEqual(['store-failed'])
  })

  it('closes the file at its end, when it is destroyed, and when a read fails', async () => {
    let isBroken = false
    const files: Files = {
      ...systemFiles,
      async readLater(...call) {
        if (isBroken) throw Object.assign(new Error('EIO'), { code: 'EIO' })
        return systemFiles.readLater(...call)
      },
    }
    const store = stage.open({ files })
    keep(store, 'a.html', large)
    await textOf(await openOf(store))
    const left = await openOf(store)
    left.read(1)
    if (process.platform === 'linux') expect(held()).toHaveLength(1)
    await new Promise((resolve) => left.on('close', resolve).destroy())
    const failing = await openOf(store)
    isBroken = true
    await expect(textOf(failing)).rejects.toThrow('EIO')
    expect(held()).toEqual([])
    expect(stage.faults.splice(0).map(({ code }) => code)).toEqual(['store-failed'])
  })

  it('is not opened where that fails', async () => {
    let isBroken = false
    const files: Files = {
      ...systemFiles,
      async fstatLater(fd) {
        if (isBroken) throw Object.assign(new Error('EIO'), { code: 'EIO' })
        return systemFiles.fstatLater(fd)
      },
    }
    const store = stage.open({ files })
    keep(store, 'a.html', large)
    const kept = (await store.get('a.html', form)) as KeptPage
    isBroken = true
    expect(await kept.streamed?.open(0, size)).toBeUndefined()
    expect(held()).toEqual([])
  })

  it('follows no symbolic link in the place of the page', async () => {
    const store = stage.open()
    keep(store, 'a.html', large)
    const kept = (await store.get('a.html', form)) as KeptPage
    renameSync(stage.path('a.html'), stage.path('b.html'))
    symlinkSync('b.html', stage.path('a.html'))
    expect(await kept.streamed?.open(0, size)).toBeUndefined()
  })
})
