/**
 * What became of pages, for people who ask why: the last evictions and the renders that were not kept, as lines of
 * JSON in `.pagekeep/journal`, over all processes that tell of them. Nothing rests on it: it may be removed at any time,
 * and what cannot be written is counted and forgotten (P7).
 *
 * A line is one append of at most 8 KiB, which local file systems do not tear. At half of its bound the file becomes
 * `previous`; two processes that do so at once lose history, nothing else.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { errnoOf, isAbsence } from './disk-error.js'
import { Layout } from './layout.js'

/** An eviction that was done. */
export interface JournalEviction {
  readonly kind: 'evicted'
  /** In milliseconds since 1970. */
  readonly atMs: number
  readonly pid: number
  /** `call` for one that was asked for directly; else what the invalidator said: `feed`, `queue`, ... */
  readonly why: string
  readonly rules: readonly string[]
  /** Rows of queues that named it, as `table#id`. */
  readonly rows: readonly string[]
  /** Not all of them where there were many: see `isCut`. */
  readonly selectors: readonly string[]
  readonly keys: readonly string[]
  readonly removed: number
  readonly doomed: number
  /** There were more rows, selectors or keys than a line has room for. */
  readonly isCut?: boolean
}

/** A render that was answered and not kept. */
export interface JournalDoom {
  readonly kind: 'doomed'
  readonly atMs: number
  readonly pid: number
  readonly key: string
  readonly renderMs: number
  /** The page that it is made of and that was not kept. */
  readonly part?: string
}

export type JournalEntry = JournalEviction | JournalDoom

type Told<Entry> = Entry extends JournalEntry ? Omit<Entry, 'atMs' | 'pid'> : never

const maxLineBytes = 8 * 1024
const listRoom = 2048

export class Journal {
  /** Entries that could not be written, since the process began. */
  failures = 0
  readonly #directory: string
  readonly #file: string
  readonly #maxBytes: number

  /** `directory`: that of the store. `maxBytes`: of both files together. Touches no disk. */
  constructor(directory: string, maxBytes = 4 * 1024 * 1024) {
    if (!(Number.isInteger(maxBytes) && maxBytes >= 4 * maxLineBytes)) {
      throw new RangeError(`Expected maxBytes to be ${4 * maxLineBytes} or more, got ${maxBytes}`)
    }
    this.#directory = `${new Layout(directory).home}/journal`
    this.#file = `${this.#directory}/current`
    this.#maxBytes = maxBytes
  }

  /** Notes it down. Never throws; costs some 30 microseconds. */
  tell(entry: Told<JournalEntry>): void {
    const line = lineOf({ ...entry, atMs: Date.now(), pid: process.pid })
    try {
      this.#append(line)
    } catch (thrown) {
      this.failures += isAbsence(thrown) && this.#appendAgain(line) ? 0 : 1
    }
  }

  #append(line: Buffer): void {
    const fd = openSync(this.#file, 'a', 0o644)
    try {
      const { size } = fstatSync(fd)
      if (size === 0) this.#share(fd)
      writeSync(fd, line)
      if (size + line.length > this.#maxBytes / 2) renameSync(this.#file, `${this.#directory}/previous`)
    } finally {
      closeSync(fd)
    }
  }

  /** Others of the group append to it as well, where they may write beside the pages at all. */
  #share(fd: number): void {
    try {
      fchmodSync(fd, modeOf(this.#directory) & 0o666)
    } catch {
      // It is another user's, who does the same.
    }
  }

  /** For the first time, or after somebody removed the directory. The store itself makes `.pagekeep`. */
  #appendAgain(line: Buffer): boolean {
    try {
      this.#makeDirectory()
      this.#append(line)
      return true
    } catch {
      return false
    }
  }

  #makeDirectory(): void {
    try {
      mkdirSync(this.#directory)
      chmodSync(this.#directory, modeOf(path.dirname(this.#directory)))
    } catch (thrown) {
      // Another process was first.
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
    }
  }
}

const modeOf = (directory: string) => statSync(directory).mode & 0o7777

/** Every entry that is left, the latest first. What is no entry is left out. Makes nothing. */
export function* readJournal(directory: string): Generator<JournalEntry> {
  const home = `${new Layout(directory).home}/journal`
  for (const name of ['current', 'previous']) {
    const lines = readIfThere(`${home}/${name}`).split('\n')
    for (let at = lines.length - 1; at >= 0; at--) {
      const entry = parse(lines[at] ?? '')
      if (entry !== undefined) yield entry
    }
  }
}

function lineOf(entry: JournalEntry): Buffer {
  if (entry.kind === 'doomed') return Buffer.from(`${JSON.stringify(entry)}\n`)
  const rows = shortened(entry.rows)
  const selectors = shortened(entry.selectors)
  const keys = shortened(entry.keys)
  const isCut = rows.isCut || selectors.isCut || keys.isCut || entry.removed > entry.keys.length
  const cut = { ...entry, rows: rows.list, selectors: selectors.list, keys: keys.list, ...(isCut && { isCut }) }
  return Buffer.from(`${JSON.stringify(cut)}\n`)
}

/** The first of them, as many as have room. */
function shortened(list: readonly string[]): { readonly list: readonly string[]; readonly isCut: boolean } {
  let left = listRoom
  const end = list.findIndex((text) => {
    left -= Buffer.byteLength(text) + 3
    return left < 0
  })
  return end === -1 ? { list, isCut: false } : { list: list.slice(0, end), isCut: true }
}

function parse(line: string): JournalEntry | undefined {
  if (line === '') return undefined
  try {
    const entry = JSON.parse(line) as JournalEntry
    if (typeof entry?.atMs !== 'number') return undefined
    if (entry.kind === 'doomed') return typeof entry.key === 'string' ? entry : undefined
    const lists = [entry.rules, entry.rows, entry.selectors, entry.keys]
    return entry.kind === 'evicted' && lists.every(Array.isArray) ? entry : undefined
  } catch {
    return undefined
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if (isAbsence(thrown)) return ''
    throw thrown
  }
}
