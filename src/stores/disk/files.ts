/**
 * The one seam for system calls: faults are injected here, and the order of calls is recorded here.
 * Names that are not UTF-8 pass through it unharmed (path-bytes.ts).
 *
 * Synchronous on purpose: on a local disk such a call takes 1 to 5 microseconds, its promise 40 to 84.
 * Each member is one call (or one loop over it) and throws what the system says; a stat of nothing is
 * `undefined`, because an exception costs ten times that answer. It must not know what a page is.
 */
import type { BigIntStats, Dirent } from 'node:fs'
import { close, constants, fstat, open, promises, read, statfsSync } from 'node:fs'
import { promisify } from 'node:util'
import fs from 'fs-extra'
import { isAbsence } from './disk-error.js'
import { mayBeUnreadable, nameOfBytes, pathBytes } from './path-bytes.js'

export interface Files {
  open(path: string, flags: number, mode?: number): number
  close(fd: number): void
  /** One pread: how many bytes came. */
  read(fd: number, into: Uint8Array, position: number): number
  /** One write: how many bytes went. */
  write(fd: number, bytes: Uint8Array): number
  fstat(fd: number): BigIntStats
  fchmod(fd: number, mode: number): void
  /** Follows symbolic links; `undefined` when there is nothing. */
  stat(path: string): BigIntStats | undefined
  /** Does not follow them. */
  lstat(path: string): BigIntStats | undefined
  /** Whether there is something, links followed; `false` too where that cannot be seen. Costs half a stat. */
  exists(path: string): boolean
  chmod(path: string, mode: number): void
  utimes(path: string, atimeMs: number, mtimeMs: number): void
  /** How many bytes the file system has left for ordinary users. */
  freeBytes(path: string): number
  rename(from: string, to: string): void
  link(existing: string, name: string): void
  unlink(path: string): void
  mkdir(path: string, mode: number): void
  rmdir(path: string): void
  names(directory: string): string[]
  list(directory: string): Dirent[]
  /** A whole file as text; for `/proc` and small texts. */
  text(path: string): string
  /** Milliseconds by a clock that only goes forward. */
  monotonicMs(): number
  // The same calls on a thread of the pool: for large pages, and for disks behind a network.
  openLater(path: string, flags: number): Promise<number>
  closeLater(fd: number): Promise<void>
  readLater(fd: number, into: Uint8Array, position: number): Promise<number>
  fstatLater(fd: number): Promise<BigIntStats>
  lstatLater(path: string): Promise<BigIntStats | undefined>
  textLater(path: string): Promise<string>
  /** Calls `changed` with the name of what came or went in `directory`. Never keeps the process alive. */
  watch(directory: string, changed: (name: string | null) => void, failed: (error: Error) => void): { close(): void }
}

/**
 * `O_NOFOLLOW`: a symbolic link is not a page, nor a log of ours. `O_NONBLOCK`: opening a named pipe must not
 * wait for whoever opens the other end.
 */
export const openFlags = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  rewrite: constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW,
  append: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  appendIfThere: constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  appendAndRead:
    constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
} as const

const textOptions = { encoding: 'utf8', flag: openFlags.read as unknown as string } as const
const later = { read: promisify(read), fstat: promisify(fstat) }

/** The calls of this machine. */
export const systemFiles: Files = {
  open: (path, flags, mode) => fs.openSync(path, flags, mode),
  close: (fd) => fs.closeSync(fd),
  read: (fd, into, position) => fs.readSync(fd, into, 0, into.length, position),
  write: (fd, bytes) => fs.writeSync(fd, bytes),
  fstat: (fd) => fs.fstatSync(fd, { bigint: true }),
  fchmod: (fd, mode) => fs.fchmodSync(fd, mode),
  stat: (path) => unlessAbsent(() => fs.statSync(path, { bigint: true, throwIfNoEntry: false })),
  lstat: (path) => unlessAbsent(() => fs.lstatSync(pathBytes(path), { bigint: true, throwIfNoEntry: false })),
  exists: (path) => fs.existsSync(path),
  chmod: (path, mode) => fs.chmodSync(pathBytes(path), mode),
  utimes: (path, atimeMs, mtimeMs) => fs.utimesSync(path, atimeMs / 1000, mtimeMs / 1000),
  freeBytes(path) {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  },
  rename: (from, to) => fs.renameSync(pathBytes(from), pathBytes(to)),
  link: (existing, name) => fs.linkSync(existing, name),
  unlink: (path) => fs.unlinkSync(pathBytes(path)),
  mkdir: (path, mode) => void fs.mkdirSync(pathBytes(path), { mode }),
  rmdir: (path) => fs.rmdirSync(pathBytes(path)),
  names(directory) {
    const names = fs.readdirSync(pathBytes(directory), 'utf8')
    return names.some(mayBeUnreadable)
      ? fs.readdirSync(pathBytes(directory), { encoding: 'buffer' }).map(nameOfBytes)
      : names
  },
  list(directory) {
    const entries = fs.readdirSync(pathBytes(directory), { withFileTypes: true })
    if (!entries.some(({ name }) => mayBeUnreadable(name))) return entries
    const raw = fs.readdirSync(pathBytes(directory), { withFileTypes: true, encoding: 'buffer' })
    return raw.map((entry) => Object.assign(entry as unknown as Dirent, { name: nameOfBytes(entry.name) }))
  },
  text: (path) => fs.readFileSync(path, textOptions),
  monotonicMs: () => performance.now(),
  openLater: promisify(open),
  closeLater: promisify(close),
  readLater: async (fd, into, position) => (await later.read(fd, into, 0, into.length, position)).bytesRead,
  fstatLater: (fd) => later.fstat(fd, { bigint: true }),
  lstatLater: (path) =>
    promises.lstat(path, { bigint: true }).catch((thrown) => {
      if (isAbsence(thrown)) return undefined
      throw thrown
    }),
  textLater: (path) => promises.readFile(path, textOptions),
  watch(directory, changed, failed) {
    const watcher = fs.watch(directory, { persistent: false }, (_event, name) => changed(name))
    watcher.on('error', failed)
    return watcher
  },
}

// A path through a file, or one too long, leads to nothing as well; for those node throws nevertheless.
function unlessAbsent(stat: () => BigIntStats | undefined): BigIntStats | undefined {
  try {
    return stat()
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw thrown
  }
}
