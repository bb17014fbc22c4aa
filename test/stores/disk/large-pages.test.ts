/** Pages that are read on a thread: large ones always, all of them with `io: 'async'`. */
import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createCache } from 'pagekeep'
import { DiskStore, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import type { KeptPage } from '../../../src/core/store.js'
import { hotDisk, longMs } from './hot-disk.js'
import { begin, evict, failing, keep, page, Stage } from './stage.js'

const stage = new Stage()
const large = 'Wört 👍 '.repeat(40_000)
const never = () => {
  throw new Error('the page should have been kept')
}

describe('get() of a page of more than 256 KiB', () => {
  it('answers with a promise, and at once when the page is hot', async () => {
    const disk = hotDisk()
    const store: DiskStore = stage.open({ files: disk.files })
    begin(store, 'a.html').publish(page(large))
    for (let reads = 0; reads < 2; reads++) {
      const answer = store.get('a.html')
      expect(answer).toBeInstanceOf(Promise)
      expect((await answer)?.body === large).toBe(true)
      disk.nowMs += longMs
    }
    expect((store.get('a.html') as KeptPage).body === large).toBe(true)
    await evict(store as never, 'a.html')
    expect(store.get('a.html')).toBeUndefined()
  })

  it('answers with bytes and what the record says', async () => {
    const store: DiskStore = stage.open()
    const bytes = Buffer.alloc(2 ** 20, 7)
    begin(store, 'a.png').publish(page(bytes, [], { renderBeganAtMs: 1, expiresAtMs: 2, metadata: 'm' }))
    const { body, ...rest } = (await store.get('a.png')) as KeptPage
    expect(bytes.equals(body as Buffer)).toBe(true)
    expect(rest).toEqual({ renderBeganAtMs: 1, expiresAtMs: 2, metadata: 'm' })
  })

  it('is a miss when the file is gone, cut or replaced by another while it is read', async () => {
    const acts = {
      gone: () => rmSync(stage.path('a.html')),
      cut: () => truncateSync(stage.path('a.html'), 5),
      other: () => {
        writeFileSync(stage.path('b.html'), 'x'.repeat(large.length))
        renameSync(stage.path('b.html'), stage.path('a.html'))
      },
    }
    for (const [name, act] of Object.entries(acts)) {
      const files = {
        ...systemFiles,
        async openLater(path: string, flags: number) {
          if (name === 'gone') act()
          const fd = await systemFiles.openLater(path, flags)
          if (name === 'other') act()
          return fd
        },
        async readLater(fd: number, into: Uint8Array, position: number) {
          if (name === 'cut') act()
          return systemFiles.readLater(fd, into, position)
        },
      }
      keep(stage.open(), 'a.html', large)
      const found = await (stage.open({ files }) as DiskStore).get('a.html')
      // What was open when another took its place is a whole page still.
      if (name === 'other') expect(found?.body === large).toBe(true)
      else expect(found, name).toBeUndefined()
    }
  })

  it('leaves the cache its short way to other pages', async () => {
    const store = stage.open()
    const cache = createCache({ store })
    await cache.getOrRender('small.html', () => 'small')
    await cache.getOrRender('large.html', () => large)
    expect((await cache.getOrRender('large.html', never)) === large).toBe(true)
    let asked = 0
    const get = store.get.bind(store)
    store.get = (key, options) => {
      asked++
      return get(key, options)
    }
    expect(await cache.getOrRender('small.html', never)).toBe('small')
    expect(asked).toBe(1)
  })
})

describe("get() with io: 'async'", () => {
  it('opens no file synchronously, and none at all when the page is hot', async () => {
    const disk = hotDisk()
    keep(stage.open(), 'a.html', 'text')
    const open = (path: string, flags: number, mode?: number) => {
      if (path.endsWith('a.html')) throw new Error('opened synchronously')
      return systemFiles.open(path, flags, mode)
    }
    const store: DiskStore = stage.open({ files: { ...disk.files, open }, io: 'async' })
    for (let reads = 0; reads < 2; reads++) {
      expect((await store.get('a.html'))?.body).toBe('text')
      disk.nowMs += longMs
    }
    const { opened } = disk
    expect((await store.get('a.html'))?.body).toBe('text')
    expect(disk.opened).toBe(opened)
    await evict(stage.open(), 'a.html')
    expect(await store.get('a.html')).toBeUndefined()
  })

  it('rejects with what the disk says', async () => {
    keep(stage.open(), 'a.html', 'text')
    const store: DiskStore = stage.open({ files: failing('readLater', 'EIO'), io: 'async' })
    await expect(store.get('a.html')).rejects.toThrow('Could not read the page "a.html"')
  })

  it('takes no other word for it', () => {
    expect(() => new DiskStore({ directory: 'x', io: 'fast' as never })).toThrow(RangeError)
    expect(() => new DiskStore({ directory: 'x', hotBytes: -1 })).toThrow('Expected hotBytes')
  })
})
