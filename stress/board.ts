/**
 * What all processes of a stress run know, and what outlives `kill -9` of any of them: one small file.
 *
 * - The database: for each row its committed version, and the version up to which its eviction has been
 *   acknowledged. Each row has one writer (an evictor), so an increment needs no lock.
 * - The news: which row was committed last, for that is where visitors go.
 * - The tallies: for each seat (a place in the crew that one process after another takes) what was counted.
 *
 * A 32-bit number is written together with its complement: a reader that comes in the middle notices.
 */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

/** What is counted. The order is that of the file. */
export const counters = [
  'ops',
  'hits',
  'kept',
  'doomed',
  'evictions',
  'staleKept',
  'staleReads',
  'tornReads',
  'faults',
  'pagesAudited',
] as const

export type Counter = (typeof counters)[number]
export type Tally = Record<Counter, number>

const rowBytes = 16
const seatBytes = counters.length * 8

export class Board {
  readonly rows: number
  readonly #fd: number
  readonly #word = Buffer.alloc(8)

  private constructor(fd: number, rows: number) {
    this.#fd = fd
    this.rows = rows
  }

  /** Makes the file, every row at version 1 and acknowledged. */
  static create(path: string, rows: number, seats: number): Board {
    const fd = openSync(path, 'wx+', 0o600)
    ftruncateSync(fd, (rows + 1) * rowBytes + seats * seatBytes)
    const board = new Board(fd, rows)
    for (let row = 0; row < rows; row++) {
      board.commit(row, 1)
      board.acknowledge(row, 1)
    }
    return board
  }

  static open(path: string, rows: number): Board {
    return new Board(openSync(path, 'r+'), rows)
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** The committed version: what a render reads. */
  version(row: number): number {
    return this.#read(row * rowBytes)
  }

  /** Called by the row's one writer. */
  commit(row: number, version: number): void {
    this.#write(row * rowBytes, version)
    this.#write(this.rows * rowBytes, row)
  }

  /** The version whose eviction was acknowledged last. */
  acknowledged(row: number): number {
    return this.#read(row * rowBytes + 8)
  }

  /** Called by the row's one writer, when `evict` has returned. */
  acknowledge(row: number, version: number): void {
    this.#write(row * rowBytes + 8, version)
  }

  /** A place for `note`. */
  notes(): Buffer {
    return Buffer.alloc((this.rows + 1) * rowBytes)
  }

  /** Copies all rows as they are now: one system call. */
  note(into: Buffer): void {
    readSync(this.#fd, into, 0, into.length, 0)
  }

  /** What `acknowledged(row)` was at `note`; 0 in the rare case that it was being written just then. */
  acknowledgedIn(notes: Buffer, row: number): number {
    const at = row * rowBytes + 8
    const value = notes.readUInt32LE(at)
    return (value ^ notes.readUInt32LE(at + 4)) >>> 0 === 0xffffffff ? value : 0
  }

  /** The row that was committed last before `note`, or almost. */
  lastCommittedIn(notes: Buffer): number {
    return notes.readUInt32LE(this.rows * rowBytes)
  }

  readTally(seat: number): Tally {
    const bytes = Buffer.alloc(seatBytes)
    readSync(this.#fd, bytes, 0, seatBytes, this.#seatAt(seat))
    return Object.fromEntries(counters.map((name, index) => [name, bytes.readDoubleLE(index * 8)])) as Tally
  }

  /** The operations of all seats so far, as far as they have been written. */
  ops(seats: number): number {
    const bytes = Buffer.alloc(seats * seatBytes)
    readSync(this.#fd, bytes, 0, bytes.length, this.#seatAt(0))
    let sum = 0
    for (let seat = 0; seat < seats; seat++) sum += bytes.readDoubleLE(seat * seatBytes)
    return sum
  }

  /** Called by the one process on the seat. */
  writeTally(seat: number, tally: Tally): void {
    const bytes = Buffer.alloc(seatBytes)
    for (const [index, name] of counters.entries()) bytes.writeDoubleLE(tally[name], index * 8)
    writeSync(this.#fd, bytes, 0, seatBytes, this.#seatAt(seat))
  }

  #seatAt(seat: number): number {
    return (this.rows + 1) * rowBytes + seat * seatBytes
  }

  #read(at: number): number {
    for (;;) {
      readSync(this.#fd, this.#word, 0, 8, at)
      const value = this.#word.readUInt32LE(0)
      if ((value ^ this.#word.readUInt32LE(4)) >>> 0 === 0xffffffff) return value
    }
  }

  #write(at: number, value: number): void {
    this.#word.writeUInt32LE(value, 0)
    this.#word.writeUInt32LE(~value >>> 0, 4)
    writeSync(this.#fd, this.#word, 0, 8, at)
  }
}
