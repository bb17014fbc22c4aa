/** The options of a disk store, checked without touching the disk. */
import type { PagekeepError } from '../../core/errors.js'
import { type ContentCoding, contentCodings } from './content-coding.js'
import { type Files, systemFiles } from './files.js'
import { recordBit } from './page-record.js'

export interface DiskStoreOptions {
  /**
   * Where pages lie, at their keys. Made on first use if it is missing. One that has files in it (dotfiles
   * aside) and was never used by a store is refused with `store-unusable`: it may be something else.
   */
  readonly directory: string
  /**
   * Takes a directory that has files and no `.pagekeep` all the same, and *deletes* what is in it but
   * dotfiles: nobody knows how old it is. For a cache whose `.pagekeep` was removed. Default `false`.
   */
  readonly mayEmptyDirectory?: boolean
  /**
   * Keeps the pages when the machine has been started anew. Default `false`: they are all forgotten, because
   * after a power failure an evicted page can be back and a kept one empty. Set it where every restart is an
   * orderly one; the price of being wrong is a stale or damaged page.
   */
  readonly trustsRestarts?: boolean
  /**
   * The mode of pages. Default `0o644`: nginx may read them. Processes of several users on one directory
   * need `0o664` and a common group. Never executable: that bit marks pages with a record.
   */
  readonly fileMode?: number
  /**
   * The mode of directories. Default `0o755`; several users need `0o2775`: what is made in a directory with
   * the setgid bit (2000) belongs to the directory's group, whatever the user's own is.
   */
  readonly directoryMode?: number
  /**
   * How many bytes of pages each process keeps in memory, checked at each hit by one `lstat`: an eviction by any
   * process is seen at once. Default 64 MiB; 0: none. Text that is not ASCII counts for up to two bytes a character,
   * a page for 1024 bytes more. The price: that memory, in each process. Decision 0016.
   */
  readonly hotBytes?: number
  /**
   * How pages are read. `'sync'` (default): at once, in some microseconds where the disk is local and the page in
   * the system's memory, and holding up the event loop where it is not; pages of more than 256 KiB are read on a
   * thread all the same. `'async'`: `get` answers with a promise and blocks nothing, for disks behind a network.
   * The price: a hit takes five to twenty times as long. Fills and evictions are synchronous either way.
   */
  readonly io?: 'sync' | 'async'
  /** Told of faults that no call can throw, those of work in the background; so is a cache on the store. Default: nobody else. */
  readonly onFault?: (error: PagekeepError) => void
  /**
   * How many bytes of pages to keep; default: no limit. A page counts for its size in whole blocks of 4096,
   * and for 512 more if it has a record (bytes, pages that expire). Pages that nobody read since a sweep last
   * came by go first. The price: a line of log a page, and sweeps (decision 0009). Every process on the directory must
   * be given the same limits.
   */
  readonly maxBytes?: number
  /** How many pages to keep; default: no limit. Directories are not counted. Otherwise as `maxBytes`. */
  readonly maxFiles?: number
  /**
   * How many bytes to leave free on the file system, whoever fills it; default: 0. Looked at when a part of
   * the log is full, and at most once a second. Otherwise as `maxBytes`.
   */
  readonly minFreeBytes?: number
  /**
   * The content coding (RFC 9110, 8.4.1) that all pages of the directory lie in: `'gzip'` as `<key>.gz`, `'br'` as
   * `<key>.br`, which a web server can send as they are; `'identity'`: as plain files at their keys. Default: the one
   * that the directory has, `'identity'` for a new one. A directory whose pages lie in another one is refused with
   * `store-unusable`; one without pages takes the new one. Prices: compressing each page that is kept, decompressing at
   * each hit that is not from memory (decision 0026); pages over 64 MiB are not kept.
   */
  readonly coding?: ContentCoding
  /** The system calls. Default: this machine's. For tests that inject faults. */
  readonly files?: Files
}

export type SizeLimits = Pick<DiskStoreOptions, (typeof limitNames)[number]>

const limitNames = ['maxBytes', 'maxFiles', 'minFreeBytes'] as const

export interface CheckedOptions extends Required<Omit<DiskStoreOptions, keyof SizeLimits | 'coding'>> {
  /** `undefined` when there is none. */
  readonly limits: SizeLimits | undefined
  /** `undefined`: what the directory says. */
  readonly coding: ContentCoding | undefined
}

/** Throws `TypeError` or `RangeError`. */
export function checkOptions(options: DiskStoreOptions): CheckedOptions {
  const { directory, mayEmptyDirectory = false, trustsRestarts = false, onFault = () => undefined } = options ?? {}
  const { fileMode = 0o644, directoryMode = 0o755, hotBytes = 64 * 1024 * 1024, io = 'sync' } = options ?? {}
  if (typeof directory !== 'string' || directory === '' || directory.includes('\u0000')) {
    throw new TypeError(`Expected directory to be the path of a directory, got ${JSON.stringify(directory)}`)
  }
  if (typeof onFault !== 'function') throw new TypeError(`Expected onFault to be a function, got ${typeof onFault}`)
  for (const [name, value] of Object.entries({ mayEmptyDirectory, trustsRestarts })) {
    if (typeof value !== 'boolean') throw new TypeError(`Expected ${name} to be a boolean, got ${typeof value}`)
  }
  checkMode('fileMode', fileMode, { needed: 0o600, forbidden: recordBit, most: 0o777 })
  checkMode('directoryMode', directoryMode, { needed: 0o700, forbidden: 0, most: 0o2777 })
  if (!Number.isSafeInteger(hotBytes) || hotBytes < 0) {
    throw new RangeError(`Expected hotBytes to be an integer, 0 or more, got ${String(hotBytes)}`)
  }
  if (io !== 'sync' && io !== 'async') throw new RangeError(`Expected io to be 'sync' or 'async', got ${String(io)}`)
  const { coding } = options
  if (coding !== undefined && !contentCodings.includes(coding)) {
    throw new RangeError(`Expected coding to be one of ${contentCodings.join(', ')}, got ${String(coding)}`)
  }
  const limits = checkLimits(options)
  const files = options.files ?? systemFiles
  const modes = { fileMode, directoryMode }
  return { directory, mayEmptyDirectory, trustsRestarts, ...modes, hotBytes, io, coding, onFault, limits, files }
}

function checkLimits(options: DiskStoreOptions): SizeLimits | undefined {
  const limits: { -readonly [Name in keyof SizeLimits]: number } = {}
  for (const name of limitNames) {
    const value = options[name]
    if (value === undefined) continue
    if (typeof value !== 'number') throw new TypeError(`Expected ${name} to be a number, got ${typeof value}`)
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Expected ${name} to be a positive integer, got ${value}`)
    }
    limits[name] = value
  }
  return Object.keys(limits).length === 0 ? undefined : limits
}

function checkMode(
  name: string,
  mode: unknown,
  { needed, forbidden, most }: Readonly<Record<'needed' | 'forbidden' | 'most', number>>,
): void {
  if (typeof mode !== 'number') throw new TypeError(`Expected ${name} to be a number such as 0o644, got ${typeof mode}`)
  const isMode = Number.isInteger(mode) && mode >= 0 && (mode & ~most) === 0
  if (isMode && (mode & needed) === needed && (mode & forbidden) === 0) return
  const wanted = `Expected ${name} to be within 0o${most.toString(8)} and to include 0o${needed.toString(8)}`
  const without = forbidden === 0 ? '' : ` but not 0o${forbidden.toString(8)}`
  throw new RangeError(`${wanted}${without}, got 0o${Number(mode).toString(8)}`)
}
