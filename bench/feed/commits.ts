/**
 * Commits per second on a table without triggers, on one that feeds a reader who takes the poll lease, and on
 * one that feeds a reader who does not, so that each commit notifies.
 *
 * A reader runs only while its own table is written to. The lease is taken before a round begins: what is
 * measured is a site that is busy, not how it became so.
 *
 * Some rounds are as on a slower disk (delay-flushes.ts).
 */
import type { Bench } from './bench.js'
import { delayed, delayFlushes } from './delay-flushes.js'
import { middle, type Ratio, ratioOf } from './ratio.js'
import { tables } from './shop.js'
import type { WriterGroup } from './writers.js'

export interface CommitCosts {
  readonly writers: number
  /** How long each flush waits besides what the disk takes. */
  readonly delayMs: number
  /** Commits per second without triggers. */
  readonly plain: number
  readonly leased: Ratio
  readonly notifying: Ratio | undefined
  readonly rounds: number
}

export interface CommitsRound {
  readonly writers: number
  /** Default 0. */
  readonly delayMs?: number
}

export interface CommitsPlan {
  /** In this order. */
  readonly rounds: readonly CommitsRound[]
  readonly seconds: number
  /** With how many writers to see what a NOTIFY for each commit costs. */
  readonly notifyWith: readonly number[]
  /** By `performance.now()`: no round begins after it that is the second of its kind. */
  readonly untilMs: number
  /** The same for those that are the first of their kind; the very first is always run. */
  readonly lastMs: number
}

const kinds = ['plain', 'leased', 'notifying'] as const
type Kind = (typeof kinds)[number]
type Round = Partial<Record<Kind, number>>
type Groups = ReadonlyMap<Kind, WriterGroup>

/** So often each connection has committed before it counts: plans are made anew the first few times. */
const warmCommits = 15

export async function measureCommits(bench: Bench, plan: CommitsPlan): Promise<CommitCosts[]> {
  const { rounds, seconds, notifyWith, untilMs, lastMs } = plan
  const groups = new Map<number, Groups>()
  const found = new Map<string, CommitsRound & { all: Round[] }>()
  try {
    for (const { writers, delayMs = 0 } of rounds) {
      const name = `${writers} writers${delayed(delayMs)}`
      const before = found.get(name)?.all ?? []
      if (found.size > 0 && performance.now() > (before.length > 0 ? untilMs : lastMs)) continue
      await delayFlushes(bench, delayMs)
      const wanted = notifyWith.includes(writers) ? kinds : kinds.slice(0, 2)
      const warm = groups.get(writers) ?? (await warmUp(bench, writers, wanted))
      groups.set(writers, warm)
      // None is always the first.
      const order = before.length % 2 === 0 ? wanted : wanted.toReversed()
      const round: Round = {}
      for (const kind of order) round[kind] = await commitsPerSecond(bench, kind, warm, seconds)
      found.set(name, { writers, delayMs, all: [...before, round] })
      bench.progress(`${name}: ${wanted.map((kind) => `${kind} ${round[kind]}/s`).join(', ')}`)
    }
  } finally {
    for (const group of [...groups.values()].flatMap((warm) => [...warm.values()])) group.stop()
    await delayFlushes(bench, 0)
  }
  return [...found.values()].map(({ writers, delayMs = 0, all }) => costsOf(writers, delayMs, all))
}

function costsOf(writers: number, delayMs: number, rounds: readonly Round[]): CommitCosts {
  const of = (kind: Kind) => rounds.flatMap((round) => round[kind] ?? [])
  const notifying = of('notifying')
  return {
    writers,
    delayMs,
    plain: Math.round(middle(of('plain'))),
    leased: ratioOf(of('leased'), of('plain')),
    notifying: notifying.length > 0 ? ratioOf(notifying, of('plain')) : undefined,
    rounds: rounds.length,
  }
}

/** Connected, warm, and paused. */
async function warmUp(bench: Bench, writers: number, wanted: readonly Kind[]): Promise<Groups> {
  const groups = new Map<Kind, WriterGroup>()
  const patienceMs = performance.now() + 60_000
  for (const kind of wanted) {
    const table = tables[kind]
    const before = await commitsOf(bench, table)
    const group = bench.writers.start({ table, writers })
    groups.set(kind, group)
    while ((await commitsOf(bench, table)) - before < writers * warmCommits) {
      if (performance.now() > patienceMs) throw new Error('The writers do not write')
      await wait(20)
    }
    group.pause()
  }
  return groups
}

async function commitsPerSecond(bench: Bench, kind: Kind, groups: Groups, seconds: number): Promise<number> {
  const group = groups.get(kind)
  const consumer = kind === 'plain' ? undefined : bench.consumers[kind]
  await consumer?.start()
  if (kind === 'leased') await takeLease(bench)
  const before = await commitsOf(bench, tables[kind])
  const began = performance.now()
  group?.resume()
  await wait(seconds * 1000)
  group?.pause()
  const took = performance.now() - began
  const commits = (await commitsOf(bench, tables[kind])) - before
  if (kind === 'leased' && (await consumer?.status())?.wakeUp !== 'lease') throw new Error('The lease was not kept')
  await consumer?.stop()
  return Math.round((commits / took) * 1000)
}

/** A statement that changes many rows makes the reader take it. */
async function takeLease({ client, consumers }: Bench): Promise<void> {
  const deadline = performance.now() + 20_000
  for (let from = 1; (await consumers.leased.status()).wakeUp !== 'lease'; from = (from + 50) % 10_000) {
    if (performance.now() > deadline) throw new Error('The reader did not take the lease')
    const rows = [from, from + 49]
    await client.query(`UPDATE ${tables.leased} SET price = price + 1 WHERE id BETWEEN $1 AND $2`, rows)
    await wait(10)
  }
}

/** How many changes of one row the table has seen. */
async function commitsOf({ client }: Bench, table: string): Promise<number> {
  const { rows } = await client.query(`SELECT sum(price)::float8 AS changes FROM ${table}`)
  return rows[0].changes
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
