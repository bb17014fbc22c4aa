/**
 * The count of one seat, on the board often enough that a kill loses little of it; a finding is there at
 * once, with a line in the file of findings that says what was seen.
 */
import { appendFileSync } from 'node:fs'
import type { Board, Counter, Tally } from './board.js'

const opsBetweenWrites = 64
const maxFaultLines = 20

export class Counting {
  readonly #board: Board
  readonly #seat: number
  readonly #findings: string
  readonly #tally: Tally
  #unwritten = 0
  #faultLines = 0

  /** Goes on from what the seat's last process had counted. */
  constructor(board: Board, seat: number, findings: string) {
    this.#board = board
    this.#seat = seat
    this.#findings = findings
    this.#tally = board.readTally(seat)
  }

  count(counter: Counter): void {
    this.#tally[counter]++
    if (++this.#unwritten >= opsBetweenWrites) this.write()
  }

  find(counter: 'staleKept' | 'staleReads' | 'tornReads', what: object): void {
    this.#tally[counter]++
    this.write()
    this.#note({ counter, ...what })
  }

  fault(reason: string): void {
    this.count('faults')
    if (++this.#faultLines <= maxFaultLines) this.#note({ counter: 'faults', reason })
  }

  write(): void {
    this.#unwritten = 0
    this.#board.writeTally(this.#seat, this.#tally)
  }

  #note(finding: object): void {
    const line = { atMs: Date.now(), seat: this.#seat, pid: process.pid, ...finding }
    appendFileSync(this.#findings, `${JSON.stringify(line)}\n`)
  }
}
