/**
 * The hand of the clock: it goes over the publish log from the oldest line on, and removes pages that nobody
 * has read since they were kept, or since it last came by (CLOCK, Corbató 1969).
 *
 * "Read" is the kernel's word: with relatime it notes the first read after a change of the inode, nginx's
 * reads too, so `atime > ctime`. A chmod to the same mode sets the ctime and so forgets the read, and leaves
 * the mtime alone, which the page's record and the browsers' copies go by.
 *
 * It only unlinks. A page that takes the place of the one it looked at may go with it: one render more.
 * Fills in flight are not doomed, for nothing has become stale.
 */
import type { BigIntStats } from 'node:fs'
import type { PagekeepError } from '../../core/errors.js'
import type { Disk } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import { LeftDirectories } from './left-directories.js'
import { pageOf } from './live-share.js'
import type { LogLine, Segment } from './log-segment.js'
import { recordBit, removeRecord } from './page-record.js'
import type { HeldSegment, PublishLog } from './publish-log.js'

export interface Amount {
  readonly bytes: number
  readonly pages: number
}

/** How many lines are looked at before others on the event loop have their turn: about a millisecond. */
const sliceLines = 128
/** After so many times around, all that is left is in use. */
const maxRounds = 3

export class SizeHand {
  readonly #disk: Disk
  readonly #log: PublishLog
  readonly #left: LeftDirectories
  #examined = 0
  #fault: PagekeepError | undefined

  constructor(disk: Disk, log: PublishLog) {
    this.#disk = disk
    this.#log = log
    this.#left = new LeftDirectories(disk)
  }

  /** Removes pages until `excess` is gone, or nothing is left. Returns what it removed. */
  *remove(excess: Amount): Generator<void, Amount> {
    const left = new Remainder(excess)
    for (let round = 0; round < maxRounds && !left.isDone; round++) {
      for (const segment of this.#log.survey().segments) {
        if (left.isDone) break
        const held = this.#log.hold(segment)
        if (held !== undefined) yield* this.#go(held, left)
      }
      // What it spared lies in the open segment.
      if (!left.isDone) this.#log.close()
    }
    if (this.#fault !== undefined) this.#disk.fault(this.#fault)
    this.#fault = undefined
    return left.removed
  }

  /** Removes the directories that were left empty. */
  close(): void {
    for (const _ of this.#left.removeEmpty());
  }

  /** Rewrites segments without the lines of pages that are gone; the order stays. */
  *compact(segments: readonly Segment[], segmentLines: number): Generator<void> {
    let waiting: LogLine[] = []
    let held: HeldSegment[] = []
    const flush = () => {
      this.#log.write(waiting, held[0]?.atMs ?? 0)
      for (const done of held) this.#log.release(done)
      waiting = []
      held = []
    }
    try {
      for (const segment of segments) {
        const taken = this.#log.hold(segment)
        if (taken === undefined) continue
        held.push(taken)
        for (const line of taken.content) {
          if (this.#isSliceFull()) yield
          if (pageOf(this.#disk, line) !== undefined) waiting.push(line)
        }
        if (waiting.length >= segmentLines) flush()
      }
      flush()
    } finally {
      for (const rest of held) this.#log.putBack(rest)
    }
  }

  *#go(held: HeldSegment, left: Remainder): Generator<void> {
    let at = 0
    let isWritten = false
    try {
      for (const line of held.content) {
        if (left.isDone) break
        at++
        this.#judge(line, left)
        if (this.#isSliceFull()) yield
      }
      this.#log.write(held.content.slice(at), held.atMs)
      isWritten = true
    } finally {
      if (isWritten) this.#log.release(held)
      else this.#log.putBack(held)
    }
    if (!this.#left.isDue) return
    for (const _ of this.#left.removeEmpty()) if (this.#isSliceFull()) yield
  }

  #judge(line: LogLine, left: Remainder): void {
    const { files, layout } = this.#disk
    const stats = pageOf(this.#disk, line)
    if (stats === undefined) return
    const isExpired = line.expiresAtMs > 0 && line.expiresAtMs <= Date.now()
    if (!isExpired && stats.atimeNs > stats.ctimeNs && this.#spare(line)) return
    try {
      files.unlink(layout.page(line.key))
      const hasRecord = (Number(stats.mode) & recordBit) !== 0
      if (hasRecord) removeRecord(this.#disk, line.key)
      left.take(line.bytes)
      this.#left.pageRemoved(line.key, hasRecord)
    } catch (thrown) {
      if (isAbsence(thrown)) return
      // It must not stop the others, so it goes to the end of the log.
      this.#log.append(line)
      this.#fault ??= diskError(`remove the page "${line.key}" to keep to the size limit`, thrown, line.key)
    }
  }

  /** Forgets that the page was read, and puts it at the end of the log. */
  #spare(line: LogLine): boolean {
    const { files, layout } = this.#disk
    try {
      // By descriptor: a page that was put in its place meanwhile may have another mode, which means something.
      const fd = files.open(layout.page(line.key), openFlags.read)
      try {
        const stats: BigIntStats = files.fstat(fd)
        if (String(stats.ino) === line.inode) files.fchmod(fd, Number(stats.mode) & 0o7777)
      } finally {
        files.close(fd)
      }
      this.#log.append(line)
      if (this.#log.isFull) this.#log.close()
      return true
    } catch {
      // The page of another user, or no room for the line: then it goes as if it had not been read.
      return false
    }
  }

  #isSliceFull(): boolean {
    return ++this.#examined % sliceLines === 0
  }
}

/** What is still to be removed. */
class Remainder {
  #bytes: number
  #pages: number
  #removedBytes = 0
  #removedPages = 0

  constructor({ bytes, pages }: Amount) {
    this.#bytes = bytes
    this.#pages = pages
  }

  get isDone(): boolean {
    return this.#removedBytes >= this.#bytes && this.#removedPages >= this.#pages
  }

  get removed(): Amount {
    return { bytes: this.#removedBytes, pages: this.#removedPages }
  }

  take(bytes: number): void {
    this.#removedBytes += bytes
    this.#removedPages++
  }
}
