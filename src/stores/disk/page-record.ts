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
import type { PartRecord } from './parts.js'
import { replaceFile } from './whole-file.js'

/** The bit in a page's mode that says "there is a record": a reader sees it in the stat it makes anyway. */
export const recordBit = 0o100

/** With `recordBit`: the page may be shown for a while after its eviction (asides.ts), which so costs other pages nothing. */
export const asideBit = 0o010

export interface PageRecord {
  readonly isBytes: boolean
  readonly renderBeganAtMs: number
  readonly expiresAtMs?: number
  readonly renderMs?: number
  readonly metadata?: string
  /** What makes it fit to be a part of other pages. */
  readonly part?: PartRecord
}

/** A record as it is written. Readers of pages need not know the rest: it is for asides.ts. */
export interface WrittenRecord extends PageRecord {
  /** For so long after its eviction the page may be shown. */
  readonly showEvictedMs?: number
}

export type PageStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs'>

export function writeRecord(disk: Disk, path: string, stats: PageStats, record: WrittenRecord): void {
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
  try {
    return recordIn(files.text(layout.record(key)), stats)
  } catch (thrown) {
    if (isNoRecord(thrown)) return undefined
    throw thrown
  }
}

/** The same, with a promise. */
export async function readRecordLater(disk: Disk, key: string, stats: PageStats): Promise<PageRecord | undefined> {
  try {
    return recordIn(await disk.files.textLater(disk.layout.record(key)), stats)
  } catch (thrown) {
    if (isNoRecord(thrown)) return undefined
    throw thrown
  }
}

/** Whether `thrown`, by reading a record, says that there is none. */
export function isNoRecord(thrown: unknown): boolean {
  return thrown instanceof SyntaxError || isAbsence(thrown) || errnoOf(thrown) === 'EISDIR'
}

/** The record in `text`, if it is of the page that `stats` describes. */
export function recordIn(text: string, stats: PageStats): PageRecord | undefined {
  const read: Partial<Record<string, unknown>> = JSON.parse(text)
  const { isBytes, renderBeganAtMs, expiresAtMs, renderMs, metadata, part } = read ?? {}
  const identity = identityOf(stats)
  if (read?.ino !== identity.ino || read.size !== identity.size || read.mtimeNs !== identity.mtimeNs) return undefined
  if (typeof isBytes !== 'boolean' || typeof renderBeganAtMs !== 'number') return undefined
  return {
    isBytes,
    renderBeganAtMs,
    ...(typeof expiresAtMs === 'number' && { expiresAtMs }),
    ...(typeof renderMs === 'number' && { renderMs }),
    ...(typeof metadata === 'string' && { metadata }),
    ...(isPart(part) && { part }),
  }
}

/** Whether any page may have a record: their directory is made for the first. */
export function hasRecords({ files, layout }: Disk): boolean {
  try {
    return files.lstat(layout.meta) !== undefined
  } catch {
    return true
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

function isPart(value: unknown): value is PartRecord {
  const { tags, log, bytes } = (value ?? {}) as Partial<PartRecord>
  return Array.isArray(tags) && typeof log === 'string' && typeof bytes === 'number'
}

function identityOf({ ino, size, mtimeNs }: PageStats): { ino: string; size: string; mtimeNs: string } {
  return { ino: String(ino), size: String(size), mtimeNs: String(mtimeNs) }
}
