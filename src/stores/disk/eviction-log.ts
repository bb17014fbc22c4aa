/**
 * Every evicted tag, appended: `"\n<tag>\n"`. A fill notes the log's length when it begins, registers its
 * tags, and then reads what came since; an evictor appends here and then reads the registrations. Each
 * looks after it has written, so at least one of them sees the other (Dekker's scheme).
 *
 * Where pages are made of others, the log begins with a name, `"\n#<random>\n"`, by which the record of a page
 * can tell it from later ones (parts.ts).
 *
 * A log that has grown long is renamed away. A fill that began with another log cannot know what was
 * evicted, and dooms itself. Its log is held open until it ends, so that no later log has the same inode.
 */
import { randomBytes } from 'node:crypto'
import type { Disk } from './disk.js'
import { diskError } from './disk-error.js'
import { openFlags } from './files.js'
import { appendLines, readAll, setMode } from './whole-file.js'

const longLogBytes = 1024 * 1024
const nameLength = 24

/** The log as a fill found it. */
export interface LogPosition {
  readonly log: OpenLog
  readonly bytes: number
}

interface OpenLog {
  readonly fd: number
  readonly inode: bigint
  users: number
  /** What it is called, once that is known: what a log begins with never changes. */
  name?: string
}

export class EvictionLog {
  readonly #disk: Disk
  readonly #longBytes: number
  #current: OpenLog | undefined

  constructor(disk: Disk, longBytes = longLogBytes) {
    this.#disk = disk
    this.#longBytes = longBytes
  }

  /** Where the log ends now. Every position must be released. */
  note(): LogPosition {
    const { files, layout } = this.#disk
    const stats = files.stat(layout.evictlog)
    if (this.#current !== undefined && stats?.ino === this.#current.inode) {
      this.#current.users++
      return { log: this.#current, bytes: Number(stats.size) }
    }
    const log = this.#open()
    const bytes = Number(files.fstat(log.fd).size)
    log.users++
    return { log, bytes }
  }

  release({ log }: LogPosition): void {
    log.users--
    if (log.users === 0 && log !== this.#current) this.#shut(log)
  }

  /** Whether any tag was evicted since. */
  hasGrownSince({ log, bytes }: LogPosition): boolean {
    const stats = this.#disk.files.stat(this.#disk.layout.evictlog)
    return stats === undefined || stats.ino !== log.inode || Number(stats.size) !== bytes
  }

  /** Whether one of `tags` was evicted since, or may have been. */
  namesAnySince(position: LogPosition, tags: readonly string[]): boolean {
    const { files, layout } = this.#disk
    const stats = files.stat(layout.evictlog)
    if (stats === undefined || stats.ino !== position.log.inode) return true
    return this.namesAnyBetween(position, Number(stats.size), tags)
  }

  /** Whether one of `tags` was evicted, or may have been, between the position and where the same log had `end` bytes. */
  namesAnyBetween({ log, bytes }: LogPosition, end: number, tags: readonly string[]): boolean {
    if (end <= bytes) return end < bytes
    const lines = readAll(this.#disk.files, log.fd, end, bytes)
    return lines.length < end - bytes || tags.some((tag) => lines.includes(`\n${tag}\n`))
  }

  /** What the log of the position is called, if it is. */
  nameOf({ log }: LogPosition): string | undefined {
    if (log.name !== undefined) return log.name
    const head = readAll(this.#disk.files, log.fd, nameLength + 3).toString('latin1')
    const name = /^\n#([\w-]+)\n$/.exec(head)?.[1]
    if (name !== undefined) log.name = name
    return name
  }

  /** A log that was begun without a name is begun anew: fills under way with tags are doomed by that, once. */
  ensureName(): void {
    const position = this.note()
    try {
      if (this.nameOf(position) !== undefined) return
      if (position.bytes > 0) this.#rotate()
    } finally {
      this.release(position)
    }
    appendLines(this.#disk, this.#disk.layout.evictlog, Buffer.from(`\n#${randomBytes(18).toString('base64url')}\n`))
  }

  /** Throws when the tags could not be appended: then no fill in flight can learn of them. */
  append(tags: readonly string[]): void {
    const size = appendLines(
      this.#disk,
      this.#disk.layout.evictlog,
      Buffer.from(tags.map((tag) => `\n${tag}\n`).join('')),
    )
    if (size > this.#longBytes) this.#rotate()
  }

  close(): void {
    if (this.#current?.users === 0) this.#shut(this.#current)
    this.#current = undefined
  }

  #open(): OpenLog {
    const { files, layout, fileMode } = this.#disk
    const fd = files.open(layout.evictlog, openFlags.appendAndRead, fileMode)
    try {
      const { ino, size } = files.fstat(fd)
      if (size === 0n) setMode(this.#disk, fd)
      if (this.#current?.users === 0) this.#shut(this.#current)
      this.#current = { fd, inode: ino, users: 0 }
      return this.#current
    } catch (thrown) {
      this.#shut({ fd })
      throw thrown
    }
  }

  /** A fill that has ended must not fail for this: the descriptor is gone whatever closing it says, and was only read. */
  #shut({ fd }: Pick<OpenLog, 'fd'>): void {
    try {
      this.#disk.files.close(fd)
    } catch (thrown) {
      this.#disk.fault(diskError('close the eviction log', thrown))
    }
  }

  #rotate(): void {
    const { files, layout, owner } = this.#disk
    const token = owner.mint()
    try {
      files.rename(layout.evictlog, `${layout.temp}/${token}`)
      files.unlink(`${layout.temp}/${token}`)
    } catch {
      // Another process was faster, or the next append tries again: a long log is slower, not wrong.
    } finally {
      owner.retire(token)
    }
  }
}
