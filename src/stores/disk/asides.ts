/**
 * Evicted pages that may be shown for a while (`showEvictedMs`): out of their place, so out of reach of web
 * servers, `get` and `keys`, and never put back. Decision 0018.
 *
 *   asides/<stem>          the file that was the page of the key of the stem (lease-name.ts)
 *   asides/<stem>~record   its record, with when it was evicted
 *
 * The record is written first and names the file's inode, size and mtime; then the page is renamed. So a file is
 * shown with its own record or not at all, and a crash leaves a page that is still to be evicted, or one that is
 * aside. No promise of the store rests on this: what cannot be set aside is removed, as any other page.
 */
import type { BigIntStats } from 'node:fs'
import type { EvictedPage } from '../../core/store.js'
import { decodePage } from './coded-page.js'
import { decodeText } from './decode-text.js'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import { stemOf } from './lease-name.js'
import { asideBit, isNoRecord, type PageRecord, recordBit, recordIn, writeRecord } from './page-record.js'
import { readAll } from './whole-file.js'

/** How many pages, and how many bytes of them, each evicting process sets aside. What is over is removed. */
export const maxAsides = { pages: 1000, bytes: 64 * 1024 * 1024 } as const

/** A process that has no room left looks so often whether there is some again. */
const surveyEveryMs = 1000

const recordSuffix = '~record'

/** What the record of an evicted page says besides. */
interface Terms {
  /** For how long after its eviction the page may be shown. */
  readonly showEvictedMs: number
  readonly evictedAtMs: number
}

/** Whether the page that `stats` describes was kept with `showEvictedMs`. */
export function mayBeSetAside(stats: BigIntStats): boolean {
  const marks = recordBit | asideBit
  return (Number(stats.mode) & marks) === marks && stats.isFile()
}

export class Asides {
  readonly #disk: Disk
  #room = { pages: 0, bytes: 0 }
  #surveyedAtMs = Number.NEGATIVE_INFINITY

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** To be called before a page appears that may be set aside: evictions of subtrees look for the directory. */
  prepare(): void {
    const { files, layout, directoryMode } = this.#disk
    if (!this.areUsed()) makeDirectory(files, layout.asides, directoryMode)
  }

  /** Whether there may be pages that are to be set aside. Never throws. */
  areUsed(): boolean {
    try {
      return this.#disk.files.lstat(this.#disk.layout.asides) !== undefined
    } catch {
      return false
    }
  }

  /**
   * Renames the page of `key`, which lies at `path`, aside, if it is one that may be shown. `false`: it is still
   * there, so remove it. Never throws.
   */
  take(key: string, path: string, recordPath = this.#disk.layout.record(key)): boolean {
    const { files } = this.#disk
    try {
      // Held open meanwhile, so that no other page can get the inode that the record names.
      const fd = files.open(path, openFlags.read)
      try {
        const stats = files.fstat(fd)
        if (!mayBeSetAside(stats)) return false
        if (this.#take(key, path, recordPath, stats)) return true
      } finally {
        files.close(fd)
      }
      // Otherwise an older one would be shown instead.
      this.drop(key)
    } catch (thrown) {
      if (!isNoRecord(thrown)) {
        this.#disk.fault(diskError(`set "${key}" aside while it is evicted, so it is removed`, thrown, key))
      }
    }
    return false
  }

  /** The evicted page of `key`, if it may be shown. */
  get(key: string): EvictedPage | undefined {
    const { files } = this.#disk
    const place = this.#place(key)
    try {
      if (files.lstat(place) === undefined) return undefined
      const fd = files.open(place, openFlags.read)
      try {
        const stats = files.fstat(fd)
        const { record, terms } = this.#readRecord(place, stats)
        if (terms !== undefined && isOver(terms)) this.drop(key)
        if (record === undefined || terms === undefined || isOver(terms)) return undefined
        const stored = readAll(files, fd, Number(stats.size))
        if (stored.length !== Number(stats.size)) return undefined
        const bytes = decodePage(this.#disk, key, stored, Number.POSITIVE_INFINITY)
        if (bytes === undefined || bytes === 'large') return undefined
        const { isBytes, ...rest } = record
        const page = { body: isBytes ? bytes : decodeText(bytes), ...rest }
        return { page, evictedMsAgo: Date.now() - terms.evictedAtMs }
      } finally {
        files.close(fd)
      }
    } catch (thrown) {
      if (isNoRecord(thrown)) return undefined
      throw diskError(`read the evicted page of "${key}"`, thrown, key)
    }
  }

  drop(key: string): void {
    const place = this.#place(key)
    try {
      this.#unlink(place)
      this.#unlink(place + recordSuffix)
    } catch (thrown) {
      throw diskError(`forget the evicted page of "${key}"`, thrown, key)
    }
  }

  /** Removes what may not be shown any more and what crashes left, and counts the rest. */
  sweep(): void {
    const { files, layout } = this.#disk
    const room: { pages: number; bytes: number } = { ...maxAsides }
    this.#room = room
    this.#surveyedAtMs = Date.now()
    for (const name of files.names(layout.asides)) {
      const isRecord = name.endsWith(recordSuffix)
      const place = `${layout.asides}/${isRecord ? name.slice(0, -recordSuffix.length) : name}`
      const stats = files.lstat(place)
      // Those with a page come with it. One without may be of a page that is just being set aside.
      if (isRecord && stats !== undefined) continue
      // A directory that somebody made here is nobody's leftover.
      if (stats?.isDirectory()) continue
      const { record, terms } = this.#readRecord(place, stats)
      if (terms === undefined || isOver(terms) || (record === undefined && !isRecord)) {
        this.#unlink(place)
        this.#unlink(place + recordSuffix)
      } else {
        room.pages--
        room.bytes -= Number(stats?.size ?? 0)
      }
    }
  }

  #take(key: string, path: string, recordPath: string, stats: BigIntStats): boolean {
    const { files } = this.#disk
    const text = files.text(recordPath)
    const record = recordIn(text, stats)
    const { showEvictedMs } = fieldsIn(text)
    if (record === undefined || typeof showEvictedMs !== 'number' || !this.#admit(Number(stats.size))) return false
    const place = this.#place(key)
    const { part: _, ...rest } = record
    const terms: Terms = { showEvictedMs, evictedAtMs: Date.now() }
    writeRecord(this.#disk, place + recordSuffix, stats, { ...rest, ...terms })
    files.rename(path, place)
    return true
  }

  /** Whether there is room for one more. */
  #admit(bytes: number): boolean {
    const fits = () => this.#room.pages > 0 && this.#room.bytes >= bytes
    if (!fits() && Math.abs(Date.now() - this.#surveyedAtMs) >= surveyEveryMs) this.#sweepIfThere()
    if (!fits()) return false
    this.#room.pages--
    this.#room.bytes -= bytes
    return true
  }

  #sweepIfThere(): void {
    try {
      this.sweep()
    } catch (thrown) {
      if (!isAbsence(thrown)) throw thrown
    }
  }

  /** `record` is missing where it is not of the file that `stats` describes. */
  #readRecord(place: string, stats: BigIntStats | undefined): { record?: PageRecord | undefined; terms?: Terms } {
    try {
      const text = this.#disk.files.text(place + recordSuffix)
      const { showEvictedMs, evictedAtMs } = fieldsIn(text)
      if (typeof showEvictedMs !== 'number' || typeof evictedAtMs !== 'number') return {}
      const record = stats?.isFile() ? recordIn(text, stats) : undefined
      return { record, terms: { showEvictedMs, evictedAtMs } }
    } catch (thrown) {
      if (isNoRecord(thrown)) return {}
      throw thrown
    }
  }

  #unlink(path: string): void {
    try {
      if (this.#disk.files.lstat(path) !== undefined) this.#disk.files.unlink(path)
    } catch (thrown) {
      if (!isAbsence(thrown)) throw thrown
    }
  }

  #place(key: string): string {
    return `${this.#disk.layout.asides}/${stemOf(key)}`
  }
}

function fieldsIn(text: string): Partial<Record<keyof Terms, unknown>> {
  return (JSON.parse(text) ?? {}) as Partial<Record<keyof Terms, unknown>>
}

/** Also when the clock of the machine was set back: then nobody knows how long ago the eviction was. */
function isOver({ showEvictedMs, evictedAtMs }: Terms): boolean {
  const evictedMsAgo = Date.now() - evictedAtMs
  return evictedMsAgo < 0 || evictedMsAgo >= showEvictedMs
}
