/**
 * From the moment a commit has returned until both files of the item are gone, seen by inotify from a third
 * process: the feed's reader and the loop in turns, each asleep and woken by NOTIFY (idle: at most ten changes
 * a second, so that no lease is taken), and while others commit 100 changes a second (busy: the lease is
 * taken, and the feed is read every ten milliseconds).
 */
import { existsSync, mkdirSync, watch, writeFileSync } from 'node:fs'
import path from 'node:path'
import { quantile, rounded } from '../rounds.js'
import type { Bench } from './bench.js'
import { directoryOf, filesOf, items, tables } from './shop.js'

export interface Latency {
  /** In milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface LatencyCost {
  readonly ours: Latency
  readonly loop: Latency
  readonly p50Ratio: number
  readonly p99Ratio: number
  /** Of either. */
  readonly samples: number
}

export interface LatencyPlan {
  readonly idleSamples: number
  readonly busySeconds: number
  /** Blocks of `busySeconds` of either. */
  readonly busyRounds: number
  readonly untilMs: number
}

/** Which table is written to, and where its pages are. */
interface Side {
  readonly table: string
  readonly directory: string
}

const idleEveryMs = 125
const busyRate = 100
const busyWriters = 4
const patienceMs = 30_000
let lastId = 0

export async function measureLatency(bench: Bench, plan: LatencyPlan): Promise<Record<'idle' | 'busy', LatencyCost>> {
  const { consumers, loop } = bench
  const ours: Side = { table: tables.leased, directory: consumers.leased.directory }
  const theirs: Side = { table: tables.queued, directory: loop.directory }
  await consumers.leased.start()
  try {
    const idle = await measureIdle(bench, ours, theirs, plan)
    const busy = await measureBusy(bench, ours, theirs, plan)
    return { idle, busy }
  } finally {
    await consumers.leased.stop()
  }
}

async function measureIdle(bench: Bench, ours: Side, theirs: Side, plan: LatencyPlan): Promise<LatencyCost> {
  const took: [number[], number[]] = [[], []]
  const { idleSamples, untilMs } = plan
  // The first of each finds nothing warm.
  for (let sample = -3; sample < idleSamples && (sample < 10 || performance.now() < untilMs); sample++) {
    const nextAt = performance.now() + idleEveryMs
    for (const [at, side] of [ours, theirs].entries()) {
      const ms = await evictionMs(bench, side)
      if (sample >= 0) took[at]?.push(ms)
    }
    await wait(nextAt - performance.now())
  }
  const cost = costOf(...took)
  bench.progress(`idle: ${told(cost)}`)
  return cost
}

async function measureBusy(bench: Bench, ours: Side, theirs: Side, plan: LatencyPlan): Promise<LatencyCost> {
  const took: [number[], number[]] = [[], []]
  const { busySeconds: seconds, busyRounds } = plan
  for (let round = 0; round < busyRounds; round++) {
    for (const [at, side] of [ours, theirs].entries()) {
      const others = bench.writers.start({ table: side.table, writers: busyWriters, rate: busyRate })
      // Connecting, and taking the lease.
      await wait(700)
      for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; await wait(10)) {
        took[at]?.push(await evictionMs(bench, side))
      }
      others.stop()
    }
  }
  const cost = costOf(...took)
  bench.progress(`busy: ${told(cost)}`)
  return cost
}

/** Keeps two files, changes their row, and sees when they are gone. */
async function evictionMs({ client }: Bench, { table, directory }: Side): Promise<number> {
  lastId = (lastId % items) + 1
  const folder = path.join(directory, directoryOf(lastId))
  const files = filesOf(lastId).map((file) => path.join(directory, file))
  mkdirSync(folder, { recursive: true })
  for (const file of files) writeFileSync(file, '<p>Ein Wort</p>\n')
  const areGone = () => !files.some((file) => existsSync(file))
  let goneAt: number | undefined
  const gone = new Promise<void>((resolve, reject) => {
    const watcher = watch(folder, () => {
      if (goneAt !== undefined || !areGone()) return
      goneAt = performance.now()
      clearTimeout(timer)
      watcher.close()
      resolve()
    })
    const timer = setTimeout(() => {
      watcher.close()
      reject(new Error(`${files[0]} was not evicted`))
    }, patienceMs)
  })
  await client.query({
    name: `change ${table}`,
    text: `UPDATE ${table} SET price = price + 1 WHERE id = $1`,
    values: [lastId],
  })
  const committedAt = performance.now()
  await gone
  return Math.max(0, (goneAt ?? Number.NaN) - committedAt)
}

function costOf(ours: readonly number[], loop: readonly number[]): LatencyCost {
  const of = (all: readonly number[]) => ({ p50: rounded(quantile(all, 0.5)), p99: rounded(quantile(all, 0.99)) })
  const [mine, their] = [of(ours), of(loop)]
  const samples = Math.min(ours.length, loop.length)
  const p50Ratio = rounded(mine.p50 / their.p50)
  return { ours: mine, loop: their, p50Ratio, p99Ratio: rounded(mine.p99 / their.p99), samples }
}

const told = ({ ours, loop }: LatencyCost): string =>
  `p50 ${ours.p50} ms, p99 ${ours.p99} ms; the loop p50 ${loop.p50} ms, p99 ${loop.p99} ms`

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}
