/**
 * The auditor: follows the commits by itself and looks at the kept files from outside, so that success is
 * never the code's own word. It uses nothing of the cache.
 *
 * - Always: every few milliseconds it reads all files and judges them like any reader: none may be older
 *   than what was acknowledged before it looked, none may be torn.
 * - At rest, when every commit has been acknowledged and no render is under way: none may be older than
 *   the database.
 */
import { pagesIn } from './audit-files.js'
import { Board } from './board.js'
import { Counting } from './counting.js'
import { judge, staleRow } from './judge.js'
import { Site } from './site.js'

const meanWatchMs = 100

export class Auditor {
  readonly #directory: string
  readonly #board: Board
  readonly #counting: Counting
  readonly #seen = new Set<string>()

  constructor(directory: string, board: Board, counting: Counting) {
    this.#directory = directory
    this.#board = board
    this.#counting = counting
  }

  /** While the others work. */
  watch(): void {
    const notes = this.#board.notes()
    this.#board.note(notes)
    for (const { path, bytes } of pagesIn(this.#directory)) {
      judge(this.#board, this.#counting, { page: pageOf(path), body: bytes, notes, way: 'watch' })
    }
    this.#counting.write()
  }

  /** At rest. A stale page that was there at the last audit too is counted once. */
  audit(): void {
    const notes = this.#board.notes()
    this.#board.note(notes)
    for (let row = 0; row < this.#board.rows; row++) {
      if (this.#board.version(row) === this.#board.acknowledged(row)) continue
      throw new Error(`Not at rest: a commit of row ${row} is not acknowledged`)
    }
    for (const { path, bytes } of pagesIn(this.#directory)) {
      const page = pageOf(path)
      this.#counting.count('pagesAudited')
      const text = judge(this.#board, this.#counting, { page, body: bytes, notes, way: 'audit' })
      const stale = text && staleRow(this.#board, text)
      if (text === undefined || stale === undefined || this.#seen.has(text.id)) continue
      this.#seen.add(text.id)
      this.#counting.find('staleKept', { path, ...stale, id: text.id })
    }
    this.#counting.write()
  }
}

export interface AuditorPlan {
  readonly directory: string
  readonly board: string
  readonly findings: string
  readonly pages: number
  readonly seat: number
}

/** As a process of its own. */
export function runAuditor(plan: AuditorPlan): void {
  const board = Board.open(plan.board, new Site(plan.pages).rows)
  const auditor = new Auditor(plan.directory, board, new Counting(board, plan.seat, plan.findings))
  const watching = setInterval(() => auditor.watch(), meanWatchMs)
  process.on('message', (order: 'audit' | 'close') => {
    if (order === 'close') {
      clearInterval(watching)
      process.disconnect()
      return
    }
    auditor.audit()
    process.send?.('audited')
  })
  process.on('disconnect', () => process.exit())
  process.on('SIGINT', () => undefined)
  process.send?.('ready')
}

function pageOf(path: string): number {
  return Number(/(\d+)\.html(?:\.gz|\.br)?$/.exec(path)?.[1] ?? -1)
}
