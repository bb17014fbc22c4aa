/**
 * How much of the publish log still stands for a page. Lines of pages that were evicted, replaced or removed
 * by hand stay in it until a sweep comes by, so what the names of segments sum up to is only an upper bound.
 * A few lines drawn at random in each sweep tell the rest: nobody has to report what he removes.
 */
import type { Disk } from './disk.js'
import { bytesOf, type LogLine, type Segment } from './log-segment.js'
import type { PublishLog } from './publish-log.js'

/** How many bytes of a segment one probe reads: some ten lines. */
const probeBytes = 1024
/** What was seen before is worth so many lines at least, at most half the log, and no more than so many. */
const minMemory = 1024
const maxMemory = 4096

export class LiveShare {
  readonly #disk: Disk
  readonly #log: PublishLog
  readonly #random: () => number
  #seen = { lines: 0, bytes: 0, liveLines: 0, liveBytes: 0 }

  constructor(disk: Disk, log: PublishLog, random: () => number = Math.random) {
    this.#disk = disk
    this.#log = log
    this.#random = random
  }

  /** Shares from 0 to 1; all is taken to be live until something was seen. */
  get bytes(): number {
    return this.#seen.bytes === 0 ? 1 : this.#seen.liveBytes / this.#seen.bytes
  }

  get lines(): number {
    return this.#seen.lines === 0 ? 1 : this.#seen.liveLines / this.#seen.lines
  }

  /** Draws about `wanted` lines; more if too few were seen so far. */
  *look(segments: readonly Segment[], wanted: number): Generator<void> {
    const total = segments.reduce((sum, segment) => sum + segment.lines, 0)
    if (total === 0) return
    const memory = Math.min(maxMemory, Math.max(total / 2, minMemory))
    const enough = Math.max(wanted, minMemory - this.#seen.lines)
    for (let drawn = 0, probe = 0; drawn < enough && probe < enough; probe++) {
      const segment = at(segments, Math.floor(this.#random() * total))
      const lines = segment === undefined ? [] : this.#log.sample(segment, this.#random(), probeBytes)
      const live = lines.filter((line) => pageOf(this.#disk, line) !== undefined)
      drawn += lines.length
      this.#seen.lines += lines.length
      this.#seen.bytes += bytesOf(lines)
      this.#seen.liveLines += live.length
      this.#seen.liveBytes += bytesOf(live)
      if (probe % 8 === 7) yield
    }
    this.#fade(memory)
  }

  /** Dead lines are gone from the log. */
  forget(): void {
    this.#seen = { lines: 0, bytes: 0, liveLines: 0, liveBytes: 0 }
  }

  #fade(memory: number): void {
    const { lines, bytes, liveLines, liveBytes } = this.#seen
    const kept = Math.min(1, memory / Math.max(lines, 1))
    this.#seen = {
      lines: lines * kept,
      bytes: bytes * kept,
      liveLines: liveLines * kept,
      liveBytes: liveBytes * kept,
    }
  }
}

/** The page of a line, unless it is gone or another one. */
export function pageOf({ files, layout }: Disk, { key, inode }: LogLine) {
  const found = files.lstat(layout.page(key))
  return found?.isFile() && String(found.ino) === inode ? found : undefined
}

/** The segment that holds the line of this number, counted over all. */
function at(segments: readonly Segment[], line: number): Segment | undefined {
  let passed = 0
  return segments.find((segment) => {
    passed += segment.lines
    return line < passed
  })
}
