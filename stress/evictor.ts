/**
 * A writer and its invalidator in one: commits a new version of a row that is his, evicts, acknowledges.
 * Like a durable queue he repeats what he had not acknowledged when he was killed.
 */
import { setTimeout } from 'node:timers/promises'
import type { LoopParts } from './renderer.js'

/**
 * How much is read in between. By operations and not by time, so that on a busy machine there are still pages
 * to be hit; and by time when nobody reads.
 */
export interface Pace {
  readonly seats: number
  /** The mean number of operations, of all processes, between two evictions of this evictor. */
  readonly meanOps: number
}

/** A render takes this long at most, or a few times as long on a busy machine. */
const longestEchoMs = 8
const lookEveryMs = 8
const longestPauseMs = 1000

export async function commitAndEvict(parts: LoopParts, rows: readonly number[], pace: Pace): Promise<void> {
  const { board, gate, random } = parts
  for (const row of rows) {
    const version = board.version(row)
    if (board.acknowledged(row) < version) await evict(parts, row, version)
  }
  let row = random.pick(rows)
  while (await gate.pass()) {
    const version = board.version(row) + 1
    board.commit(row, version)
    await evict(parts, row, version)
    // Often once more, while its pages are rendered anew; now and then others at once, so that evictions meet.
    const isAgain = random.isLess(0.5)
    if (isAgain) await setTimeout(random.next() * longestEchoMs)
    else if (random.isLess(0.8)) await pause(parts, pace)
    if (!isAgain) row = random.pick(rows)
  }
}

async function pause({ board, gate, random }: LoopParts, { seats, meanOps }: Pace): Promise<void> {
  const until = board.ops(seats) + random.next() * 2 * meanOps
  for (let waitedMs = 0; waitedMs < longestPauseMs && board.ops(seats) < until; waitedMs += lookEveryMs) {
    // An audit is no reason to evict sooner.
    if (!(await gate.pass())) return
    await setTimeout(random.next() * 2 * lookEveryMs)
  }
}

async function evict(parts: LoopParts, row: number, version: number): Promise<void> {
  const { subject, board, site, random, counting } = parts
  const evicted = board.acknowledged(row)
  for (;;) {
    try {
      await subject.evict(site.selectorsOf(row, evicted, random))
      break
    } catch (thrown) {
      counting.fault(String(thrown))
      await setTimeout(10)
    }
  }
  board.acknowledge(row, version)
  counting.count('evictions')
  counting.count('ops')
}
