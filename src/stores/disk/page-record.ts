/**
 * The record of a page that is more than plain text: `meta/<directory>/.<name>`, one line of JSON.
 *
 * It is renamed into place before its page is, and names the page's inode, size and mtime. So a page is
 * never served with another's record: one that does not fit is no record, and its page is a miss.
 */
import type { BigIntStats } from 'node:fs'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { errnoOf, isAbsence } from './disk-error.js'
import { replaceFile } from './whole-file.js'

/** The bit in a page's mode that says "there is a record": a reader sees it in the stat it makes anyway. */
export const recordBit = 0o100

export interface PageRecord {
  readonly isBytes: boolean
  readonly renderBeganAtMs: number
  readonly expiresAtMs?: number
  readonly renderMs?: number
  readonly metadata?: string
}

export type PageStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs'>

export function writeRecord(disk: Disk, key: string, stats: PageStats, record: PageRecord): void {
  const path = disk.layout.record(key)
  const text = `${JSON.stringify({ ...identityOf(stats), ...record })}\n`
  for (let attempt = 0; ; attempt++) {
    try {
      replaceFile(disk, path, text)
      return
    } catch (thrown) {
      // An eviction may take the directory away between these two steps; then the token is gone too, or new.
      if (errnoOf(thrown) !== 'ENOENT' || attempt === 100) throw thrown
      makeDirectory(disk.files, path.slice(0, path.lastIndexOf('/')), disk.directoryMode)
    }
  }
}

/** The record of exactly the page that `stats` describes. */
export function readRecord({ files, layout }: Disk, key: string, stats: PageStats): PageRecord | undefined {
  let read: Partial<Record<string, unknown>>
  try {
    read = JSON.parse(files.text(layout.record(key)))
  } catch (thrown) {
    if (thrown instanceof SyntaxError || isAbsence(thrown) || errnoOf(thrown) === 'EISDIR') return undefined
    throw thrown
  }
  const { isBytes, renderBeganAtMs, expiresAtMs, renderMs, metadata } = read ?? {}
  const identity = identityOf(stats)
  if (read?.ino !== identity.ino || read.size !== identity.size || read.mtimeNs !== identity.mtimeNs) return undefined
  if (typeof isBytes !== 'boolean' || typeof renderBeganAtMs !== 'number') return undefined
  return {
    isBytes,
    renderBeganAtMs,
    ...(typeof expiresAtMs === 'number' && { expiresAtMs }),
    ...(typeof renderMs === 'number' && { renderMs }),
    ...(typeof metadata === 'string' && { metadata }),
  }
}

export function removeRecord({ files, layout }: Disk, key: string): void {
  const path = layout.record(key)
  try {
    if (files.lstat(path) !== undefined) files.unlink(path)
  } catch (thrown) {
    // A directory that somebody put there is no record.
    if (!isAbsence(thrown) && errnoOf(thrown) !== 'EISDIR') throw thrown
  }
}

function identityOf({ ino, size, mtimeNs }: PageStats): { ino: string; size: string; mtimeNs: string } {
  return { ino: String(ino), size: String(size), mtimeNs: String(mtimeNs) }
}
