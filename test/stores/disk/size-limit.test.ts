/** The size limit of one process: where it ends, what goes first, and what is left alone. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type DiskStore, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { DiskStore as Disk } from '../../../src/stores/disk/disk-store.js'
import { fastDirectory } from '../../support/fast-directory.js'
import { begin, failing, keep, keysOf, page, Stage, systemError, watched } from './stage.js'

const stage = new Stage(fastDirectory())
const lru = () => readdirSync(stage.path('.pagekeep/lru'))

/** Keeps pages as a site would: others have their turn in between. */
async function fill(store: DiskStore, keys: Iterable<string>, body: string | Uint8Array = 'a page'): Promise<void> {
  for (const key of keys) {
    keep(store, key, body)
    await setImmediate()
  }
}

const keys = (from: number, to: number, prefix = 'p') =>
  Array.from({ length: to - from }, (_, at) => `${prefix}/${(from + at) % 10}/${from + at}.html`)

describe('DiskStore() with a size limit', () => {
  it('ends within 3 % of maxFiles', async () => {
    const store = stage.open({ maxFiles: 400 })
    await fill(store, keys(0, 1500))
    await store.close()
    const left = await keysOf(stage.open())
    expect(left.length).toBeGreaterThan(388)
    expect(left.length).toBeLessThan(412)
    expect(left).toContain('p/9/1499.html')
    expect(stage.faults).toEqual([])
  })

  it('ends within 3 % of maxBytes, in blocks of 4096 and 512 for a record', async () => {
    const store = stage.open({ maxBytes: 200 * (8192 + 512) })
    await fill(store, keys(0, 500), Buffer.alloc(5000, 1))
    await store.close()
    const left = (await keysOf(stage.open())).length
    expect(left).toBeGreaterThan(194)
    expect(left).toBeLessThan(206)
  })

  it('holds where nothing else gets a turn', async () => {
    const store = stage.open({ maxFiles: 200 })
    for (const key of keys(0, 800)) keep(store, key)
    const count = readdirSync(stage.directory, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name.endsWith('.html'),
    ).length
    expect(count).toBeLessThan(210)
    await store.close()
  })

  it('removes records and directories with their pages', async () => {
    const store = stage.open({ maxFiles: 20 })
    await fill(
      store,
      Array.from({ length: 200 }, (_, at) => `${at}/index.html`),
      Buffer.from('bytes'),
    )
    await store.close()
    const left = (await keysOf(stage.open())).length
    expect(left).toBeLessThan(22)
    expect(readdirSync(stage.directory).filter((name) => name !== '.pagekeep').length).toBe(left)
    expect(readdirSync(stage.path('.pagekeep/meta')).length).toBe(left)
  })

  it('tries directories that hold other pages seldom, and leaves none empty', async () => {
    const tries = { made: 0, ofEmpty: 0 }
    const files = {
      ...systemFiles,
      rmdir(path: string) {
        tries.made++
        systemFiles.rmdir(path)
        tries.ofEmpty++
      },
    }
    const store = stage.open({ maxFiles: 200, files })
    await fill(store, keys(0, 2000))
    expect(tries.made).toBeLessThan(450)
    const full = { ...tries }
    // Others after them: of the old ones all directories become empty, though none is tried at its last page.
    for (let at = 0; at < 600; at++) await fill(store, [`new/${at}/of/index.html`])
    expect(tries.ofEmpty - full.ofEmpty).toBeGreaterThan(500)
    await store.close()
    const kept = await keysOf(stage.open())
    const directories = readdirSync(stage.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !`${entry.parentPath}/${entry.name}`.includes('.pagekeep'))
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(stage.directory.length + 1))
    expect(directories.filter((directory) => !kept.some((key) => key.startsWith(`${directory}/`)))).toEqual([])
    expect(tries.made - full.made).toBeLessThan(2400)
  })

  it('counts a page that is kept again, or was evicted, once', async () => {
    const store = stage.open({ maxFiles: 200 })
    await fill(store, keys(0, 100))
    for (let round = 0; round < 15; round++) await fill(store, keys(0, 50))
    await store.close()
    expect((await keysOf(stage.open())).length).toBe(100)
    const lines = lru().map((name) => readFileSync(stage.path('.pagekeep/lru', name), 'utf8').split('\n\n').length)
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThan(450)
  })

  it('leaves dotfiles, links, files that are no pages and what is not logged alone', async () => {
    const store = stage.open({ maxFiles: 10 })
    await fill(store, keys(0, 5))
    writeFileSync(stage.path('p/1/.htaccess'), 'Deny from all')
    writeFileSync(stage.path('p/1/back\\slash'), 'no key')
    const outside = stage.path('../outside.html')
    writeFileSync(outside, 'not ours')
    symlinkSync(outside, stage.path('p/1/link.html'))
    await fill(store, keys(0, 100))
    await store.close()
    expect(readdirSync(stage.path('p/1'))).toEqual(expect.arrayContaining(['.htaccess', 'back\\slash', 'link.html']))
    expect(readFileSync(outside, 'utf8')).toBe('not ours')
  })

  it('does not remove what took the place of a page', async () => {
    const store = stage.open({ maxFiles: 10 })
    await fill(store, [...keys(0, 5), 'a.html'])
    // Not removed: another file could get its inode.
    renameSync(stage.path('a.html'), stage.path('.moved'))
    writeFileSync(stage.path('a.html'), 'put here by hand')
    await fill(store, keys(0, 100))
    await store.close()
    expect(readFileSync(stage.path('a.html'), 'utf8')).toBe('put here by hand')
  })

  it('removes expired pages even if they were read, and spares others that were', async () => {
    const files = readByMtime(() => true)
    const store = stage.open({ maxFiles: 100, files })
    for (const key of keys(0, 40)) {
      begin(store, key).publish(
        page('x', [], { expiresAtMs: Date.now() - (Number(/\d+(?=\.)/.exec(key)) % 2 ? 1 : -1e6) }),
      )
    }
    await fill(store, keys(40, 110))
    await store.close()
    const left = await keysOf(stage.open())
    const expired = keys(0, 20).filter((_, at) => at % 2 === 1)
    expect(left.filter((key) => expired.includes(key))).toEqual([])
    expect(left).toEqual(expect.arrayContaining(keys(0, 20).filter((_, at) => at % 2 === 0)))
  })

  it('writes no log without a limit', async () => {
    const store = stage.open()
    await fill(store, keys(0, 300))
    await store.close()
    expect(existsSync(stage.path('.pagekeep/lru'))).toBe(false)
    expect((await keysOf(stage.open())).length).toBe(300)
  })

  it('finds the pages that were kept without a limit, before it and in between', async () => {
    for (const prefix of ['before', 'between']) {
      const free = stage.open()
      await fill(free, keys(0, 300, prefix))
      await free.close()
      const limited = stage.open({ maxFiles: 200 })
      limited.get('any')
      await limited.close()
      expect(Math.abs((await keysOf(stage.open())).length - 200)).toBeLessThan(6)
    }
  })

  it('leaves a line without a page when it dies between the two, and drops it later', async () => {
    const files = watched((call, args) => {
      if (call === 'rename' && String(args[1]).endsWith('killed.html')) throw systemError('EKILLED')
    })
    const store = stage.open({ maxFiles: 50, files })
    expect(() => keep(store, 'killed.html')).toThrow('EKILLED')
    expect(lru().some((name) => readFileSync(stage.path('.pagekeep/lru', name), 'utf8').includes('killed.html'))).toBe(
      true,
    )
    await fill(store, keys(0, 200))
    await store.close()
    expect(lru().some((name) => readFileSync(stage.path('.pagekeep/lru', name), 'utf8').includes('killed.html'))).toBe(
      false,
    )
    expect(Math.abs((await keysOf(stage.open())).length - 50)).toBeLessThan(3)
  })

  it('keeps no page that it cannot log', async () => {
    const store = stage.open({ maxFiles: 50, files: failing('open', 'EMFILE', '/lru/open~') })
    expect(() => keep(store, 'a.html')).toThrow(expect.objectContaining({ code: 'store-failed' }))
    expect(existsSync(stage.path('a.html'))).toBe(false)
  })

  it('goes on over a page that cannot be removed, and says so', async () => {
    const store = stage.open({ maxFiles: 20, files: failing('unlink', 'EPERM', 'cache/stuck.html') })
    await fill(store, ['stuck.html', ...keys(0, 100)])
    await store.close()
    expect(Math.abs((await keysOf(stage.open())).length - 20)).toBeLessThan(3)
    expect(existsSync(stage.path('stuck.html'))).toBe(true)
    expect(stage.faults[0]?.message).toMatch('remove the page "stuck.html"')
  })

  it('goes on after its directory was removed', async () => {
    const store = stage.open({ maxFiles: 20 })
    await fill(store, keys(0, 10))
    rmSync(stage.directory, { recursive: true })
    await fill(store, keys(0, 100))
    await store.close()
    expect(Math.abs((await keysOf(stage.open())).length - 20)).toBeLessThan(3)
  })

  it('tells of a mount that does not note reads', async () => {
    const files = { ...systemFiles, read: readWithoutTrace }
    stage.open({ maxFiles: 20, files }).get('a')
    expect(stage.faults.map(({ message }) => message)).toEqual([expect.stringContaining('noatime')])
    stage.faults.length = 0
    stage.open({ files }).get('a')
    stage.open({ maxFiles: 20 }).get('a')
    expect(stage.faults).toEqual([])
  })
})

describe('DiskStore() on a disk that is full', () => {
  /** A disk with room for so many bytes more in files that are being written. */
  const full = (isFull: () => boolean) =>
    watched((call, args) => {
      if (call === 'write' && isFull() && (args[1] as Uint8Array).length > 100) throw systemError('ENOSPC')
    })

  it('makes room and keeps the page', async () => {
    let isFull = false
    const files = full(() => isFull && existsSync(stage.path('p/0/0.html')))
    const store = stage.open({ maxFiles: 1000, files })
    await fill(store, keys(0, 20))
    isFull = true
    keep(store, 'large.html', 'x'.repeat(500))
    expect(existsSync(stage.path('large.html'))).toBe(true)
    expect(existsSync(stage.path('p/0/0.html'))).toBe(false)
    expect(existsSync(stage.path('p/9/19.html'))).toBe(true)
  })

  it('gives up when that does not help, and removes nothing without a limit', async () => {
    for (const limit of [{ maxFiles: 1000 }, {}]) {
      const store = stage.open({ ...limit, files: full(() => true) })
      await fill(store, keys(0, 5))
      expect(() => keep(store, 'large.html', 'x'.repeat(500))).toThrow(
        expect.objectContaining({ code: 'store-failed' }),
      )
    }
    expect((await keysOf(stage.open())).length).toBeGreaterThan(3)
  })

  it('minFreeBytes removes pages while others fill the disk, looked at once a second', async () => {
    let asked = 0
    const files = { ...systemFiles, freeBytes: () => (asked++ === 0 ? 1_000_000 : 1e12) }
    const store = stage.open({ minFreeBytes: 1_000_000 + 50 * 4096, files })
    await fill(stage.open(), keys(0, 100))
    await fill(store, keys(100, 110))
    await store.close()
    expect((await keysOf(stage.open())).length).toBe(60)
    expect(asked).toBe(1)
  })
})

describe('DiskStore() options of size', () => {
  it.each(['maxBytes', 'maxFiles', 'minFreeBytes'])('%s is a positive integer', (name) => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new Disk({ directory: 'd', [name]: value })).toThrow(RangeError)
    }
    expect(() => new Disk({ directory: 'd', [name]: '1' as never })).toThrow(TypeError)
  })
})

/** Reads leave the access time as it was. */
function readWithoutTrace(fd: number, into: Uint8Array, position: number): number {
  const { atimeNs, mtimeNs } = systemFiles.fstat(fd)
  const count = systemFiles.read(fd, into, position)
  systemFiles.utimes(`/proc/self/fd/${fd}`, Number(atimeNs) / 1e6, Number(mtimeNs) / 1e6)
  return count
}

/** A disk on which pages look as if they had been read, by key. */
function readByMtime(isRead: (path: string) => boolean) {
  return {
    ...systemFiles,
    lstat(path: string) {
      const stats = systemFiles.lstat(path)
      if (stats?.isFile() && path.endsWith('.html')) {
        stats.atimeNs = isRead(path) ? stats.ctimeNs + 1n : stats.ctimeNs - 1n
      }
      return stats
    },
  }
}
