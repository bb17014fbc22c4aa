/**
 * How fast a backlog goes: changes that were committed while nobody listened, each of another item with two
 * files in a directory of its own. The feed's reader connects, reads it to its end and has every file
 * evicted, counted from before it connects; the loop is connected and works through its queue.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Bench } from './bench.js'
import { delayed, delayFlushes } from './delay-flushes.js'
import type { FpLoop } from './fp-loop.js'
import { type Ratio, ratioOf } from './ratio.js'
import { directoryOf, filesOf, items, queueTable, tables } from './shop.js'

export interface DrainCost extends Ratio {
  /** Rows per second, the loop. */
  readonly loop: number
  /** How long each flush waits besides what the disk takes, in milliseconds. */
  readonly delayMs: number
  readonly language: FpLoop['language']
  readonly rows: number
  readonly loopRows: number
}

export interface DrainPlan {
  /** By how much later each flush is, in milliseconds, in this order. */
  readonly rounds: readonly number[]
  /** In each round, of either. */
  readonly rows: number
  readonly loopRows: number
  /** After it the loop is stopped, and what it has done counts. */
  readonly loopSeconds: number
  /** Rounds that would begin later are left out, but for the first of each kind. */
  readonly untilMs: number
}

interface Round {
  readonly ours: number
  readonly theirs: number
}

export async function measureDrain(bench: Bench, plan: DrainPlan): Promise<DrainCost[]> {
  const { rounds, rows, loopRows, loopSeconds, untilMs } = plan
  const found = new Map<number, Round[]>()
  // What was changed before is not this backlog.
  await bench.consumers.leased.start()
  await bench.consumers.leased.stop()
  try {
    for (const delayMs of rounds) {
      const before = found.get(delayMs) ?? []
      if (before.length > 0 && performance.now() > untilMs) continue
      await delayFlushes(bench, delayMs)
      const theirs = await drainLoop(bench, loopRows, loopSeconds)
      const ours = await drainFeed(bench, rows)
      found.set(delayMs, [...before, { ours, theirs }])
      const speeds = `the feed's reader ${ours.toFixed(0)}/s, the loop ${theirs.toFixed(0)}/s`
      bench.progress(`backlog${delayed(delayMs)}: ${speeds}`)
    }
  } finally {
    await delayFlushes(bench, 0)
  }
  return [...found].map(([delayMs, all]) => {
    const [ours, theirs] = [all.map((round) => round.ours), all.map((round) => round.theirs)]
    const { language } = bench.loop
    return { ...ratioOf(ours, theirs), loop: ratioOf(theirs, theirs).median, delayMs, language, rows, loopRows }
  })
}

async function drainFeed({ client, consumers: { leased } }: Bench, rows: number): Promise<number> {
  keepFiles(leased.directory, rows)
  // More at once would become one row.
  const step = 1000
  for (let from = 1; from <= rows; from += step) {
    const ids = [from, Math.min(from + step - 1, rows)]
    await client.query(`UPDATE ${tables.leased} SET price = price + 1 WHERE id BETWEEN $1 AND $2`, ids)
  }
  const read = (await leased.status()).rows
  const { tookMs, ...after } = await leased.start()
  await leased.stop()
  const left = filesOfAll(rows).filter((file) => existsSync(path.join(leased.directory, file)))
  if (left.length > 0) throw new Error(`${left.length} files were not evicted, such as ${left[0]}`)
  if (after.rows - read !== rows) throw new Error(`${after.rows - read} rows were read, not ${rows}`)
  return rows / (tookMs / 1000)
}

async function drainLoop({ client, loop }: Bench, rows: number, forSeconds: number): Promise<number> {
  keepFiles(loop.directory, rows)
  await client.query(`TRUNCATE ${queueTable}`)
  await client.query(
    `INSERT INTO ${queueTable} (category, name) SELECT category, name FROM ${tables.queued} WHERE id <= $1 ORDER BY id`,
    [rows],
  )
  const drained = await loop.drain(forSeconds)
  return drained.rows / drained.seconds
}

/** Pages without tags or metadata are plain files, so they can be put there as such. */
function keepFiles(directory: string, rows: number): void {
  const body = '<p>Ein Wort, ein Satz</p>\n'.repeat(40)
  for (let id = 1; id <= rows; id++) {
    mkdirSync(path.join(directory, directoryOf(id)), { recursive: true })
    for (const file of filesOf(id)) writeFileSync(path.join(directory, file), body)
  }
}

const filesOfAll = (rows: number): string[] =>
  Array.from({ length: Math.min(rows, items) }, (_, at) => filesOf(at + 1)).flat()
