/** Which pages stay in memory, how much of it they take, and what a size limit makes of them. */
import { setImmediate } from 'node:timers/promises'
import { type DiskStoreOptions, type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { HotCopies } from '../../../src/stores/disk/hot-copies.js'
import { fastDirectory } from '../../support/fast-directory.js'
import { heat, hotDisk } from './hot-disk.js'
import { keep, Stage } from './stage.js'

const stage = new Stage(fastDirectory())
const kilobyte = 'x'.repeat(1024)

describe('hot copies', () => {
  const stats = (ino: bigint) => ({ dev: 1n, ino, size: 1024n, mtimeNs: 1n, ctimeNs: 1n })
  const readAt = (beganAtMs: number) => ({ beganAtMs, endedAtMs: beganAtMs })
  let atMs = 0
  /** Reads `key` as a store would; whether it was answered from memory. */
  const read = (hot: HotCopies, key: string) => {
    atMs += 30
    const copy = hot.find(key)
    if (copy !== undefined && hot.confirm(key, copy, stats(1n))) return true
    hot.offer(
      key,
      { page: { body: kilobyte, renderBeganAtMs: 0 }, bytes: 1024, isTextInBytes: false },
      stats(1n),
      readAt(atMs),
    )
    return false
  }

  it('take no more bytes than they may, however many pages are read how often', () => {
    const hot = new HotCopies(100_000)
    for (let round = 0; round < 10; round++) {
      for (let page = 0; page < 500; page++) read(hot, `${page % 70}.html`)
    }
    expect(hot.bytes).toBeGreaterThan(10_000)
    expect(hot.bytes).toBeLessThanOrEqual(100_000)
  })

  it('keep pages in use while crawlers read all others, large sites and small ones, again and again', () => {
    const hot = new HotCopies(100_000)
    const inUse = Array.from({ length: 20 }, (_, page) => `used/${page}.html`)
    for (let round = 0; round < 4; round++) for (const key of inUse) read(hot, key)
    let hits = 0
    for (const pages of [5000, 5000, 500, 500, 500]) {
      for (let page = 0; page < pages; page++) read(hot, `crawled/${page}.html`)
      for (const key of inUse) if (read(hot, key)) hits++
    }
    expect(hits).toBe(100)
  })

  it('let pages that are no longer in use make room for others', () => {
    const hot = new HotCopies(100_000)
    for (const site of ['old', 'new']) {
      for (let round = 0; round < 6; round++) {
        for (let page = 0; page < 25; page++) read(hot, `${site}/${page}.html`)
      }
    }
    expect(Array.from({ length: 25 }, (_, page) => read(hot, `new/${page}.html`))).not.toContain(false)
  })

  it('are no home for a page that would crowd out a fifth of them', () => {
    const hot = new HotCopies(100_000)
    const large = { page: { body: 'x'.repeat(30_000), renderBeganAtMs: 0 }, bytes: 30_000, isTextInBytes: false }
    for (const began of [0, 1000, 2000]) hot.offer('large.html', large, stats(2n), readAt(began))
    expect(hot.find('large.html')).toBeUndefined()
  })

  it('count text that is not ASCII for two bytes a character', () => {
    const hot = new HotCopies(100_000)
    const body = 'ä'.repeat(2000)
    const read = { page: { body, renderBeganAtMs: 0 }, bytes: 4000, isTextInBytes: false }
    for (const began of [0, 1000]) hot.offer('a.html', read, stats(3n), readAt(began))
    expect(hot.bytes).toBeGreaterThan(4000)
    expect(hot.bytes).toBeLessThan(6000)
  })
})

/** A disk that notes what was read, as one mounted relatime does, without a clock's granularity. */
function noting(files: Files): Files {
  const opened = new Map<number, string>()
  const read = new Set<string>()
  return {
    ...files,
    open(path, flags, mode) {
      const fd = files.open(path, flags, mode)
      opened.set(fd, path)
      return fd
    },
    read(fd, into, position) {
      read.add(opened.get(fd) ?? '')
      return files.read(fd, into, position)
    },
    fchmod(fd, mode) {
      read.delete(opened.get(fd) ?? '')
      files.fchmod(fd, mode)
    },
    unlink(path) {
      read.delete(path)
      files.unlink(path)
    },
    lstat(path) {
      const stats = files.lstat(path)
      if (stats?.isFile()) stats.atimeNs = read.has(path) ? stats.ctimeNs + 1n : 0n
      return stats
    },
  }
}

describe('DiskStore() with hot copies and a size limit', { timeout: 300_000 }, () => {
  const capacity = 100
  /** Of three requests one is for a page in use, the others for pages that nobody asks for again. */
  async function serve(options: Partial<DiskStoreOptions>, disk = hotDisk()) {
    const store = stage.open({ maxFiles: capacity, files: noting(disk.files), ...options })
    let [hits, fromMemory] = [0, 0]
    for (let at = 0; at < 900; at++) {
      const isInUse = at % 3 === 0
      const key = isInUse ? `p/${(at / 3) % 5}.html` : `q/${at}.html`
      disk.nowMs += 30
      const { opened } = disk
      if (store.get(key) === undefined) keep(store, key, 'x')
      else {
        if (isInUse) hits++
        if (disk.opened === opened) fromMemory++
      }
      await setImmediate()
    }
    return { hits, fromMemory }
  }

  it('keeps pages that are in use, though most of their hits read no file', async () => {
    const { hits, fromMemory } = await serve({})
    expect(hits).toBeGreaterThan(295 * 0.99)
    expect(fromMemory).toBeGreaterThan(150)
  })

  it('twin: where a copy does not end when the sweep forgets that its page was read, pages in use are removed', async () => {
    // The sweep sets the ctime; a copy that is not compared by it goes on, and the page is not read again.
    const blind = hotDisk((stats) => Object.assign(stats, { ctimeNs: 1n }))
    const { hits } = await serve({}, blind)
    expect(hits).toBeLessThan(290)
  })

  it('answers no page from memory that a sweep of another process has removed', async () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files, maxFiles: capacity })
    keep(store, 'p.html')
    heat(store, disk, 'p.html')
    const other = stage.open({
      maxFiles: capacity,
      files: { ...systemFiles, lstat: unread },
    })
    for (let at = 0; at < 3 * capacity; at++) {
      keep(other, `q/${at}.html`)
      await setImmediate()
    }
    await other.close()
    expect(systemFiles.lstat(stage.path('p.html'))).toBeUndefined()
    expect(store.get('p.html')).toBeUndefined()
  })
})

/** As on a disk mounted noatime. */
function unread(path: string) {
  const stats = systemFiles.lstat(path)
  if (stats !== undefined) stats.atimeNs = 0n
  return stats
}
