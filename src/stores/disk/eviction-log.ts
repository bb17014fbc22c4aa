/**
 * Every evicted tag, appended: `"\n<tag>\n"`. A fill notes the log's length when it begins, registers its
 * tags, and then reads what came since; an evictor appends here and then reads the registrations. Each
 * looks after it has written, so at least one of them sees the other (Dekker's scheme).
 *
 * It begins with a name, `"\n#<random>\n"`, by which the record of a page can tell it from later ones (parts.ts).
 * It has it from its first moment: the name is written elsewhere and linked into place. A log without one, of an
 * older version or made by hand, is renamed away before any fill of this process begins by it.
 *
 * A log that has grown long is renamed away. A fill that began with another log cannot know what was
 * evicted, and dooms itself. Its log is held open until it ends, so that no later log has the same inode.
 */
import { randomBytes } from 'node:crypto'
import type { Disk } from './disk.js'
import { diskError, errnoOf } from './disk-error.js'
import { openFlags } from './files.js'
import { appendLines, createFile, readAll } from './whole-file.js'

const longLogBytes = 1024 * 1024
const nameLength = 24
/** Others may rename a log away that was just made; this is for file systems that lie. */
const maxAttempts = 10

/** The log as a fill found it. */
export interface LogPosition {
  readonly log: OpenLog
  readonly bytes: number
}

interface OpenLog {
  readonly fd: number
  readonly inode: bigint
  users: number
  /** What a log begins with never changes. */
  readonly name: string | undefined
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
    const position = this.#open()
    position.log.users++
    return position
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

  /** What the log of the position is called; `undefined` for one that could be neither named nor renamed away. */
  nameOf({ log }: LogPosition): string | undefined {
    return log.name
  }

  /** Throws when the tags could not be appended: then no fill in flight can learn of them. */
  append(tags: readonly string[]): void {
    const lines = Buffer.from(tags.map((tag) => `\n${tag}\n`).join(''))
    const open = () => this.#openOrMake(openFlags.appendIfThere)
    const size = appendLines(this.#disk, this.#disk.layout.evictlog, lines, open)
    if (size > this.#longBytes) this.#rotate()
  }

  close(): void {
    if (this.#current?.users === 0) this.#shut(this.#current)
    this.#current = undefined
  }

  #open(): LogPosition {
    const { files } = this.#disk
    for (let attempt = 0; ; attempt++) {
      const fd = this.#openOrMake(openFlags.read)
      try {
        const stats = files.fstat(fd)
        const name = stats.isFile() ? this.#nameIn(fd) : undefined
        if (name !== undefined || attempt > 0) {
          if (this.#current?.users === 0) this.#shut(this.#current)
          this.#current = { fd, inode: stats.ino, users: 0, name }
          return { log: this.#current, bytes: Number(stats.size) }
        }
      } catch (thrown) {
        this.#shut({ fd })
        throw thrown
      }
      this.#shut({ fd })
      this.#rotate()
    }
  }

  #openOrMake(flags: number): number {
    const { files, layout } = this.#disk
    for (let attempt = 0; ; attempt++) {
      try {
        return files.open(layout.evictlog, flags)
      } catch (thrown) {
        if (errnoOf(thrown) !== 'ENOENT' || attempt === maxAttempts) throw thrown
      }
      createFile(this.#disk, layout.evictlog, `\n#${randomBytes(18).toString('base64url')}\n`)
    }
  }

  #nameIn(fd: number): string | undefined {
    const head = readAll(this.#disk.files, fd, nameLength + 3).toString('latin1')
    return /^\n#([\w-]+)\n$/.exec(head)?.[1]
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
