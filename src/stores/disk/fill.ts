/**
 * One attempt to keep a page. Its states, and why no stale page is kept, are drawn in disk-store.ts.
 *
 * The order of `publish` is the proof: write into the token, register the tags, *then* read the eviction
 * log, then announce the page to the size limit, if there is one, then the record, then the one rename. Every
 * failure ends in a released lease and no new page. The content coding comes before all of that.
 */
import type { Awaitable, Fill, FillState, NewPage } from '../../core/store.js'
import { writeLineage } from '../part-tags.js'
import type { Asides } from './asides.js'
import { encodeBody } from './content-coding.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf, isAbsence, saysFull } from './disk-error.js'
import type { EvictionLog, LogPosition } from './eviction-log.js'
import { openFlags } from './files.js'
import type { Lease } from './lease.js'
import { bytesOf, recordOf } from './page-file.js'
import {
  asideBit,
  type PageStats,
  readRecord,
  recordBit,
  removeRecord,
  type WrittenRecord,
  writeRecord,
} from './page-record.js'
import { allTags, type Parts } from './parts.js'
import { placePage } from './placing.js'
import type { SizeLimit } from './size-limit.js'
import type { TagIndex } from './tag-index.js'
import { writeAll } from './whole-file.js'

export interface FillParts {
  readonly disk: Disk
  readonly log: EvictionLog
  readonly tags: TagIndex
  readonly parts: Parts
  readonly asides: Asides
  /** Told of every page before it appears, if the size is limited. */
  readonly limit: SizeLimit | undefined
  /** Prepares the directory again, which dooms every fill when the tags of pages are lost. */
  readonly prepareAgain: () => void
  /** Called once, when the fill has ended and its lease is released. */
  readonly ended: (fill: DiskFill) => void
}

export class DiskFill implements Fill {
  readonly kind = 'fill'
  readonly key: string
  readonly lease: Lease
  readonly #parts: FillParts
  readonly #position: LogPosition
  #isOver = false
  #tags: readonly string[] = []

  constructor(parts: FillParts, key: string, lease: Lease, position: LogPosition) {
    this.#parts = parts
    this.key = key
    this.lease = lease
    this.#position = position
  }

  state(): FillState {
    if (this.#isOver || this.lease.isDoomed) return 'doomed'
    return this.#parts.log.hasGrownSince(this.#position) ? 'unsure' : 'current'
  }

  /** At once, unless the page is to be coded and long. */
  publish(page: NewPage): Awaitable<'kept' | 'doomed'> {
    if (this.#isOver) return 'doomed'
    try {
      const bytes = encodeBody(this.#parts.disk.layout.coding, bytesOf(page))
      if (!(bytes instanceof Promise)) return this.#keep(page, bytes)
      // An eviction that dooms the fill meanwhile leaves no token to write into.
      return bytes.then(
        (coded) => this.#keep(page, coded),
        (thrown) => this.#fail(thrown),
      )
    } catch (thrown) {
      return this.#fail(thrown)
    }
  }

  abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.lease.release()
    this.#parts.log.release(this.#position)
    this.#parts.ended(this)
  }

  lineage(): string {
    return writeLineage(this.key, this.#tags)
  }

  #keep(page: NewPage, bytes: Uint8Array): 'kept' | 'doomed' {
    if (this.#isOver) return 'doomed'
    try {
      return this.#publishWithRoom(page, bytes)
    } catch (thrown) {
      return this.#fail(thrown)
    } finally {
      this.abandon()
    }
  }

  #fail(thrown: unknown): never {
    this.abandon()
    throw diskError(`keep the page "${this.key}"`, thrown, this.key)
  }

  /** On a full disk pages make room, if their size is limited; then it is tried once more. */
  #publishWithRoom(page: NewPage, bytes: Uint8Array): 'kept' | 'doomed' {
    const { limit } = this.#parts
    try {
      return this.#publish(page, bytes)
    } catch (thrown) {
      if (limit === undefined || !saysFull(thrown) || !limit.makeRoom(bytes.length)) throw thrown
      return this.#publish(page, bytes)
    } finally {
      limit?.published()
    }
  }

  #publish(page: NewPage, bytes: Uint8Array): 'kept' | 'doomed' {
    const { disk, log, parts } = this.#parts
    const own = allTags(page)
    this.#tags = own
    const record = recordOf(page, page.isPart ? parts.recordOf(this.#position, own) : undefined)
    if (record?.showEvictedMs !== undefined) this.#parts.asides.prepare()
    const stats = this.#write(bytes, markOf(record))
    if (stats === undefined) return 'doomed'
    if (own.length > 0) {
      if (!this.#register(own)) return 'doomed'
      if (log.namesAnySince(this.#position, own)) return 'doomed'
    }
    this.#parts.limit?.announce(this.key, stats, record)
    return record === undefined ? placePage(disk, this.lease.path, this.key) : this.#placeWithRecord(stats, record)
  }

  /** `false` where somebody removed the registrations by hand: they are begun anew, without this page. */
  #register(own: readonly string[]): boolean {
    try {
      this.#parts.tags.register(this.key, own)
      return true
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown
      this.#parts.prepareAgain()
      return false
    }
  }

  /** The token is held open meanwhile, so that no other fill's can get the inode that the record names. */
  #placeWithRecord(stats: PageStats, record: WrittenRecord): 'kept' | 'doomed' {
    const { disk } = this.#parts
    const fd = this.#openToken(openFlags.read)
    if (fd === undefined) return 'doomed'
    let outcome: 'kept' | 'doomed' = 'doomed'
    try {
      writeRecord(disk, disk.layout.record(this.key), stats, record)
      outcome = placePage(disk, this.lease.path, this.key)
      return outcome
    } finally {
      if (outcome === 'doomed') this.#dropRecord(stats)
      disk.files.close(fd)
    }
  }

  /** `undefined` when the token is gone. */
  #write(bytes: Uint8Array, mark: number): PageStats | undefined {
    const { files, fileMode } = this.#parts.disk
    const fd = this.#openToken(openFlags.rewrite)
    if (fd === undefined) return undefined
    try {
      writeAll(files, fd, bytes)
      const mode = fileMode | mark
      if (mode !== this.lease.mode) files.fchmod(fd, mode)
      return files.fstat(fd)
    } finally {
      files.close(fd)
    }
  }

  #openToken(flags: number): number | undefined {
    try {
      return this.#parts.disk.files.open(this.lease.path, flags)
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }

  /** The record of a page that did not come; another fill's is left alone. */
  #dropRecord(stats: PageStats): void {
    const { disk } = this.#parts
    try {
      if (readRecord(disk, this.key, stats) !== undefined) removeRecord(disk, this.key)
    } catch (thrown) {
      if (!isAbsence(thrown)) disk.fault(diskError(`remove the record of "${this.key}"`, thrown, this.key))
    }
  }
}

/** What the mode of a page says of its record. */
function markOf(record: WrittenRecord | undefined): number {
  if (record === undefined) return 0
  return record.showEvictedMs === undefined ? recordBit : recordBit | asideBit
}
