/**
 * Keeps the directory to its size, over all processes, without ever listing it. Decision 0009.
 *
 * Each page is logged before it appears (publish-log.ts). When a segment of the log is full it is closed, and
 * a sweep sums up the names of segments; over the limit, the hand of size-hand.ts goes on from the oldest
 * page. A segment holds at most a 128th of the limit, and a sweep goes half of one below it: that is how near
 * each process keeps to it.
 *
 * Sweeps run in slices in the background, one at a time in a process. A process that never lets the event
 * loop turn does a slice with each page once four segments are full, so that the limit holds there too.
 */
import { PagekeepError } from '../../core/errors.js'
import { adoptPages, countedBytes, isLogComplete } from './adopt-pages.js'
import { type Disk, Slices } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import type { SizeLimits } from './disk-options.js'
import { openFlags } from './files.js'
import { LiveShare } from './live-share.js'
import type { PageRecord, PageStats } from './page-record.js'
import { PublishLog, type SegmentSize, type Survey } from './publish-log.js'
import { type Amount, SizeHand } from './size-hand.js'

const segmentsPerLimit = 128
const maxSegmentLines = 2048
const maxWaitingSegments = 4
/** How many lines a sweep draws at least; of large segments a quarter of their lines. */
const minLook = 8
const freeSpaceEveryMs = 1000

export class SizeLimit {
  readonly #disk: Disk
  readonly #limits: SizeLimits
  readonly #segment: SegmentSize
  readonly #log: PublishLog
  readonly #share: LiveShare
  readonly #hand: SizeHand
  #work: Promise<void> = Promise.resolve()
  #isScheduled = false
  #underWay: Generator<void> | undefined
  #waitingSegments = 0
  #lookedAtFreeSpaceMs = 0
  #hasTriedAccessTimes = false

  constructor(disk: Disk, limits: SizeLimits) {
    this.#disk = disk
    this.#limits = limits
    this.#segment = segmentFor(limits)
    this.#log = new PublishLog(disk, this.#segment)
    this.#share = new LiveShare(disk, this.#log)
    this.#hand = new SizeHand(disk, this.#log)
  }

  /** The directory is ready, for the first time or again. */
  prepared(): void {
    // A segment of a directory that was removed is closed: the next line begins one in the new directory.
    this.#attempt(() => this.#log.close())
    this.#attempt(() => this.#tryAccessTimes())
    this.#schedule()
  }

  /** To be called before the rename of a page. Throws when it cannot be logged: then it must not be kept. */
  announce(key: string, { ino, size }: PageStats, record: PageRecord | undefined): void {
    const bytes = countedBytes(Number(size), record !== undefined)
    this.#log.append({ key, bytes, inode: String(ino), expiresAtMs: Math.ceil(record?.expiresAtMs ?? 0) })
  }

  /** To be called after it. Never throws. */
  published(): void {
    if (this.#log.isFull) {
      this.#attempt(() => this.#log.close())
      this.#waitingSegments++
      this.#schedule()
    }
    if (this.#waitingSegments < maxWaitingSegments) return
    this.#underWay ??= this.#sweep()
    this.#step()
  }

  /** The disk is full: removes pages of `bytes` and a little more at once. Says whether there were any. */
  makeRoom(bytes: number): boolean {
    let removed: Amount | undefined
    this.#attempt(() => {
      const steps = this.#hand.remove({ bytes: Math.ceil(countedBytes(bytes, true) * 1.05), pages: 1 })
      let step = steps.next()
      while (!step.done) step = steps.next()
      removed = step.value
    })
    return removed !== undefined && removed.pages > 0
  }

  /** Ends the sweep, removes the directories that it left empty, and closes this process's segment of the log. */
  async close(): Promise<void> {
    await this.#work
    this.#hand.close()
    this.#attempt(() => this.#log.close())
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#work = this.#work.then(async () => {
      const slices = new Slices()
      // Whoever waits for the page that was just kept comes first.
      await slices.pause()
      this.#isScheduled = false
      // Segments that were closed while a sweep was under way are for another one.
      do {
        this.#underWay ??= this.#sweep()
        while (this.#step()) await slices.pause()
      } while (this.#waitingSegments > 0)
    })
  }

  /** `false` when the sweep is over. */
  #step(): boolean {
    try {
      if (this.#underWay?.next().done === false) return true
    } catch (thrown) {
      this.#fault(thrown)
    }
    this.#underWay = undefined
    return false
  }

  *#sweep(): Generator<void> {
    this.#waitingSegments = 0
    if (!isLogComplete(this.#disk)) yield* adoptPages(this.#disk, this.#log, this.#segment.lines)
    const wanted = this.#bytesToFree()
    const survey = this.#log.survey()
    if (wanted === 0 && !isMore(this.#excessOf(survey, 1, 1))) return
    yield* this.#share.look(survey.segments, Math.max(minLook, this.#segment.lines / 4))
    const excess = this.#excessOf(survey, this.#share.bytes, this.#share.lines)
    if (wanted > 0 || isMore(excess)) {
      yield* this.#hand.remove({ bytes: Math.max(excess.bytes, wanted), pages: excess.pages })
    } else if (this.#share.lines < 1 / 2 || this.#share.bytes < 1 / 2) {
      // More than half is dead: each line that is looked at here stands for one that is got rid of.
      yield* this.#hand.compact(survey.segments, this.#segment.lines)
      this.#share.forget()
    }
  }

  /** What is over the target, if these shares of the closed segments are live. */
  #excessOf({ segments, open }: Survey, bytesShare: number, linesShare: number): Amount {
    const { maxBytes = Number.POSITIVE_INFINITY, maxFiles = Number.POSITIVE_INFINITY } = this.#limits
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0) * bytesShare + open.bytes
    const pages = segments.reduce((sum, segment) => sum + segment.lines, 0) * linesShare + open.lines
    return {
      bytes: Math.max(0, bytes - maxBytes + Math.floor(this.#segment.bytes / 2)),
      pages: Math.max(0, Math.round(pages - maxFiles + Math.floor(this.#segment.lines / 2))),
    }
  }

  #bytesToFree(): number {
    const { minFreeBytes } = this.#limits
    if (minFreeBytes === undefined || Date.now() - this.#lookedAtFreeSpaceMs < freeSpaceEveryMs) return 0
    this.#lookedAtFreeSpaceMs = Date.now()
    return Math.max(0, minFreeBytes - this.#disk.files.freeBytes(this.#disk.layout.root))
  }

  /** Tells once of a mount that does not note when files are read. */
  #tryAccessTimes(): void {
    if (this.#hasTriedAccessTimes) return
    this.#hasTriedAccessTimes = true
    const { files, layout, owner, fileMode } = this.#disk
    const token = owner.mint()
    const probe = `${layout.temp}/${token}`
    const fd = files.open(probe, openFlags.appendAndRead, fileMode)
    try {
      files.write(fd, Buffer.from('.'))
      files.utimes(probe, 1000, 1000)
      files.read(fd, Buffer.alloc(1), 0)
      if (files.fstat(fd).atimeNs > 1_000_000_000n) return
      const message =
        `The mount of "${layout.root}" does not note when files are read (noatime), so the size limit removes ` +
        'the oldest pages first, even if they are in use. Mount it with relatime.'
      this.#disk.fault(new PagekeepError('store-failed', message, { store: 'disk' }))
    } finally {
      // Retired even if the probe stays: then whoever clears up takes it for a dead process's.
      owner.retire(token)
      files.close(fd)
      files.unlink(probe)
    }
  }

  #attempt(act: () => void): void {
    try {
      act()
    } catch (thrown) {
      this.#fault(thrown)
    }
  }

  #fault(thrown: unknown): void {
    // The directory was removed: nothing is left to be limited.
    if (!isAbsence(thrown)) this.#disk.fault(diskError(`keep "${this.#disk.layout.root}" to its size`, thrown))
  }
}

function segmentFor({ maxBytes, maxFiles }: SizeLimits): SegmentSize {
  const lines = Math.min(maxSegmentLines, Math.floor((maxFiles ?? Number.POSITIVE_INFINITY) / segmentsPerLimit))
  const bytes = maxBytes === undefined ? Number.MAX_SAFE_INTEGER : Math.floor(maxBytes / segmentsPerLimit)
  return { lines: Math.max(1, lines), bytes: Math.max(1, bytes) }
}

function isMore({ bytes, pages }: Amount): boolean {
  return bytes > 0 || pages > 0
}
