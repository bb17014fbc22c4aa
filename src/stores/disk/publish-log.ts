/**
 * The order in which pages were kept, for the size limit. `lru/` holds segments of lines, one a publish,
 * appended *before* the page's rename, so that no page is without its line. A crash in between leaves a line
 * without a page, which a sweep drops.
 *
 *   open~<token>                         one process appends to it
 *   full.<time>.<bytes>.<lines>~<token>  closed; `write` makes them too, at another place in the order
 *   held.<time>.<bytes>.<lines>~<token>  one sweep works on it
 *
 * What a dead owner left open or held is closed by whoever finds it. A line twice or too many is harmless.
 */
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { errnoOf, isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import {
  bytesOf,
  type LogLine,
  linesIn,
  openName,
  readSegmentName,
  type Segment,
  segmentName,
  textOf,
} from './log-segment.js'
import { readIfThere } from './tag-index.js'
import { readAll, setMode, writeAll } from './whole-file.js'

/** What a sweep took, and nobody else has. */
export interface HeldSegment extends Segment {
  readonly token: string
  readonly content: readonly LogLine[]
}

export interface Survey {
  /** Closed ones, oldest first. */
  readonly segments: readonly Segment[]
  /** What is in open ones, of this process and of others. */
  readonly open: { readonly bytes: number; readonly lines: number }
}

export interface SegmentSize {
  readonly bytes: number
  readonly lines: number
}

interface OpenSegment {
  readonly fd: number
  readonly token: string
  readonly inode: bigint
  bytes: number
  lines: number
  touchedAtMs: number
}

// Less than the time after which others take the segment of a silent process for abandoned (owner.ts).
const silentMs = 30_000

export class PublishLog {
  readonly #disk: Disk
  readonly #full: SegmentSize
  #open: OpenSegment | undefined

  /** `full`: at which size a segment is to be closed. */
  constructor(disk: Disk, full: SegmentSize) {
    this.#disk = disk
    this.#full = full
  }

  /** Whether the open segment is to be closed: after the rename of the page that was logged last. */
  get isFull(): boolean {
    const { bytes, lines } = this.open
    return bytes >= this.#full.bytes || lines >= this.#full.lines
  }

  /** What this process has in its open segment. */
  get open(): { readonly bytes: number; readonly lines: number } {
    return this.#open ?? { bytes: 0, lines: 0 }
  }

  /** Throws what the system says; then the page must not be kept. */
  append(line: LogLine): void {
    const text = Buffer.from(textOf(line))
    const open = this.#ready()
    // The rest in a second write could be torn away by a crash.
    if (this.#disk.files.write(open.fd, text) !== text.length) {
      throw Object.assign(new Error('only part of a line was written'), { code: 'ENOSPC' })
    }
    open.bytes += line.bytes
    open.lines++
    open.touchedAtMs = Date.now()
  }

  /** Closes this process's open segment: from then on sweeps may take it. */
  close(): void {
    if (this.#open === undefined) return
    const { fd, token, bytes, lines } = this.#open
    this.#open = undefined
    const { files, layout, owner } = this.#disk
    files.close(fd)
    try {
      const name = segmentName('full', { atMs: Date.now(), bytes, lines }, token)
      files.rename(`${layout.lru}/${openName(token)}`, `${layout.lru}/${name}`)
    } catch (thrown) {
      // Taken over by a process that believed this one dead, or removed by hand.
      if (!isAbsence(thrown)) throw thrown
    } finally {
      owner.retire(token)
    }
  }

  survey(): Survey {
    const { files, layout, owner } = this.#disk
    const segments: Segment[] = []
    let { bytes, lines } = this.open
    for (const name of files.names(layout.lru)) {
      const found = readSegmentName(name)
      if (found?.kind === 'full') segments.push(found)
      if (found === undefined || found.kind === 'full' || found.token === this.#open?.token) continue
      const stats = files.lstat(`${layout.lru}/${name}`)
      if (stats === undefined) continue
      const touchedAtMs = Number(found.kind === 'open' ? stats.mtimeMs : stats.ctimeMs)
      if (owner.isAbandoned(found.token, touchedAtMs)) segments.push(...this.#adopt(found, touchedAtMs))
      else if (found.kind === 'open') {
        const content = this.#read(name)
        bytes += bytesOf(content)
        lines += content.length
      }
    }
    segments.sort((a, b) => a.atMs - b.atMs || (a.name < b.name ? -1 : 1))
    return { segments, open: { bytes, lines } }
  }

  /** Takes a closed segment; `undefined` when another sweep was faster. */
  hold(segment: Segment): HeldSegment | undefined {
    const { owner } = this.#disk
    const token = owner.mint()
    const name = segmentName('held', segment, token)
    if (this.#rename(segment.name, name)) return { ...segment, name, token, content: this.#read(name) }
    owner.retire(token)
    return undefined
  }

  /** The end of a held segment: its lines are dropped, or have been appended or written elsewhere. */
  release({ name, token }: HeldSegment): void {
    try {
      this.#disk.files.unlink(`${this.#disk.layout.lru}/${name}`)
    } catch (thrown) {
      if (!isAbsence(thrown)) throw thrown
    } finally {
      this.#disk.owner.retire(token)
    }
  }

  /** A held segment is closed again, as it was. */
  putBack(held: HeldSegment): void {
    this.#rename(held.name, segmentName('full', held, held.token))
    this.#disk.owner.retire(held.token)
  }

  /** Makes a closed segment at once, at the place in the order that `atMs` gives it. */
  write(lines: readonly LogLine[], atMs: number): void {
    if (lines.length === 0) return
    const { files, layout, owner, fileMode } = this.#disk
    const token = owner.mint()
    const draft = `${layout.temp}/${token}`
    try {
      const fd = files.open(draft, openFlags.create, fileMode)
      try {
        writeAll(files, fd, Buffer.from(lines.map(textOf).join('')))
        setMode(this.#disk, fd)
      } finally {
        files.close(fd)
      }
      const name = segmentName('full', { atMs, bytes: bytesOf(lines), lines: lines.length }, token)
      files.rename(draft, `${layout.lru}/${name}`)
    } catch (thrown) {
      if (files.lstat(draft) !== undefined) files.unlink(draft)
      throw thrown
    } finally {
      owner.retire(token)
    }
  }

  /** Some lines of a closed segment that lie side by side, at the share `place` (0 to 1) of its length. */
  sample({ name }: Segment, place: number, maxBytes: number): readonly LogLine[] {
    const { files, layout } = this.#disk
    let fd: number
    try {
      fd = files.open(`${layout.lru}/${name}`, openFlags.read)
    } catch (thrown) {
      if (isAbsence(thrown)) return []
      throw thrown
    }
    try {
      const size = Number(files.fstat(fd).size)
      const from = Math.floor(place * Math.max(size - maxBytes, 0))
      return linesIn(readAll(files, fd, Math.min(from + maxBytes, size), from).toString())
    } finally {
      files.close(fd)
    }
  }

  #ready(): OpenSegment {
    const { files, layout } = this.#disk
    const open = this.#open
    if (open !== undefined && Date.now() - open.touchedAtMs > silentMs) {
      if (files.lstat(`${layout.lru}/${openName(open.token)}`)?.ino !== open.inode) this.close()
    }
    this.#open ??= this.#begin()
    return this.#open
  }

  #begin(): OpenSegment {
    const { files, layout, owner, fileMode, directoryMode } = this.#disk
    const token = owner.mint()
    const path = `${layout.lru}/${openName(token)}`
    let fd: number | undefined
    try {
      fd = openIn(path)
      setMode(this.#disk, fd)
      return { fd, token, inode: files.fstat(fd).ino, bytes: 0, lines: 0, touchedAtMs: Date.now() }
    } catch (thrown) {
      try {
        if (fd !== undefined) files.close(fd)
      } catch {
        // The descriptor is gone all the same, and the first fault says more.
      }
      owner.retire(token)
      throw thrown
    }
    function openIn(place: string): number {
      try {
        return files.open(place, openFlags.append, fileMode)
      } catch (thrown) {
        if (errnoOf(thrown) !== 'ENOENT') throw thrown
        makeDirectory(files, layout.lru, directoryMode)
        return files.open(place, openFlags.append, fileMode)
      }
    }
  }

  /** Closes what a dead owner left: as if he had done it himself when he last touched it. */
  #adopt(left: Segment & { readonly kind: string; readonly token: string }, touchedAtMs: number): Segment[] {
    const { owner } = this.#disk
    const content = left.kind === 'open' ? this.#read(left.name) : undefined
    const sums = content && { atMs: Math.floor(touchedAtMs), bytes: bytesOf(content), lines: content.length }
    const token = owner.mint()
    try {
      const segment = { ...left, ...sums }
      const name = segmentName('full', segment, token)
      return this.#rename(left.name, name) ? [{ ...segment, name }] : []
    } finally {
      owner.retire(token)
    }
  }

  #read(name: string): readonly LogLine[] {
    const text = readIfThere(this.#disk, `${this.#disk.layout.lru}/${name}`)?.toString()
    return text === undefined ? [] : linesIn(text)
  }

  #rename(from: string, to: string): boolean {
    const { files, layout } = this.#disk
    try {
      files.rename(`${layout.lru}/${from}`, `${layout.lru}/${to}`)
      return true
    } catch (thrown) {
      if (isAbsence(thrown)) return false
      throw thrown
    }
  }
}
