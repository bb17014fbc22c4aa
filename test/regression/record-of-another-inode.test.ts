/**
 * Found by the model (test/model/records.test.ts): a doomed fill wrote its record late, when its token's inode number
 * had gone to another fill, whose page was then read with it. Both files are of one size and of one tick of the
 * clock, and numbers are used again at once, as XFS does: the seam sees to both.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSelector } from 'pagekeep'
import { DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { expect, it } from 'vitest'
import type { Fill, KeptPage } from '../../src/core/store.js'

it('get() never takes a page and the record of another fill for one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pagekeep-regression-'))
  const acts: { record?: (rename: () => void) => void; page?: () => void } = {}
  const calls = reusingNumbers(directory)
  const files: Files = {
    ...calls,
    rename(from, to) {
      const { record, page } = acts
      const isRecord = to.includes('/meta/')
      if (isRecord && record !== undefined) {
        delete acts.record
        return record(() => calls.rename(from, to))
      }
      if (!isRecord && to.endsWith('/page')) {
        delete acts.page
        page?.()
      }
      calls.rename(from, to)
    },
  }
  const store = new DiskStore({ directory, files })
  const body = () => (store.get('page') as KeptPage | undefined)?.body
  try {
    const old = { body: Uint8Array.of(1, 2, 3), tags: [], renderBeganAtMs: 1, expiresAtMs: 2 }
    const begin = () => store.begin('page') as Fill
    await begin().publish(old)
    await store.evict([parseSelector('page')])
    const doomed = begin()
    acts.record = (renameRecord) => {
      // While the one is about to rename its record: its eviction, and another fill, which waits before its page.
      void store.evict([parseSelector('page')])
      acts.page = renameRecord
      expect(begin().publish({ body: 'new', tags: [], renderBeganAtMs: 3, expiresAtMs: 4 })).toBe('kept')
      expect([undefined, 'new']).toContain(body())
    }
    expect(await doomed.publish(old)).toBe('doomed')
    expect([undefined, 'new']).toContain(body())
  } finally {
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

/** The system's calls, with the lowest inode number that no name and no open file has, and with one moment for all. */
function reusingNumbers(directory: string): Files {
  const numbers = new Map<bigint, bigint>()
  const opened = new Map<number, bigint>()
  const leases = join(directory, '.pagekeep', 'leases')
  const isThere = (inode: bigint) => {
    const names = systemFiles.stat(leases) === undefined ? [] : systemFiles.names(leases)
    const paths = [...names.map((name) => join(leases, name)), join(directory, 'page')]
    return [...opened.values()].includes(inode) || paths.some((path) => systemFiles.lstat(path)?.ino === inode)
  }
  const numbered = <Stats extends ReturnType<Files['lstat']>>(stats: Stats): Stats => {
    if (stats === undefined) return stats
    for (const inode of numbers.keys()) if (!isThere(inode)) numbers.delete(inode)
    let ino = 1n
    while (!numbers.has(stats.ino) && [...numbers.values()].includes(ino)) ino++
    numbers.set(stats.ino, numbers.get(stats.ino) ?? ino)
    return Object.assign(stats, { ino: numbers.get(stats.ino), mtimeNs: 1n })
  }
  return {
    ...systemFiles,
    open(path, flags, mode) {
      const fd = systemFiles.open(path, flags, mode)
      opened.set(fd, systemFiles.fstat(fd).ino)
      return fd
    },
    close(fd) {
      opened.delete(fd)
      systemFiles.close(fd)
    },
    fstat: (fd) => numbered(systemFiles.fstat(fd)),
    lstat: (path) => numbered(systemFiles.lstat(path)),
  }
}
