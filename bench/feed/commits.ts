/**
 * Commits per second on a table without triggers, on one that feeds a reader who takes the poll lease, and on
 * one that feeds a reader who does not, so that each commit notifies.
 *
 * A reader runs only while its own table is written to. The lease is taken before the writers begin: what is
 * measured is a site that is busy, not how it became so.
 */
import type { Bench } from './bench.js'
import { middle, type Ratio, ratioOf } from './ratio.js'
import { type Feed, tables } from './shop.js'

export interface CommitCosts {
  readonly writers: number
  /** Commits per second without triggers. */
  readonly plain: number
  readonly leased: Ratio
  readonly notifying: Ratio | undefined
  readonly rounds: number
}

export interface CommitsPlan {
  /** How many writers each round has, in this order. */
  readonly rounds: readonly number[]
  readonly seconds: number
  /** With how many writers to see what a NOTIFY for each commit costs. */
  readonly notifyWith: readonly number[]
  /** By `performance.now()`: no round begins after it that is the second of its kind. */
  readonly untilMs: number
}

const kinds = ['plain', 'leased', 'notifying'] as const
type Kind = (typeof kinds)[number]
type Round = Partial<Record<Kind, number>>

export async function measureCommits(bench: Bench, plan: CommitsPlan): Promise<CommitCosts[]> {
  const { rounds, seconds, notifyWith, untilMs } = plan
  const found = new Map<number, Round[]>()
  for (const writers of rounds) {
    const before = found.get(writers) ?? []
    if (before.length > 0 && performance.now() > untilMs) continue
    const wanted = notifyWith.includes(writers) ? kinds : kinds.slice(0, 2)
    // None is always the first.
    const order = before.length % 2 === 0 ? wanted : wanted.toReversed()
    const round: Round = {}
    for (const kind of order) round[kind] = await commitsPerSecond(bench, kind, writers, seconds)
    found.set(writers, [...before, round])
    bench.progress(`${writers} writers: ${wanted.map((kind) => `${kind} ${round[kind]}/s`).join(', ')}`)
  }
  return [...found].map(([writers, all]) => costsOf(writers, all))
}

function costsOf(writers: number, rounds: readonly Round[]): CommitCosts {
  const of = (kind: Kind) => rounds.flatMap((round) => round[kind] ?? [])
  const notifying = of('notifying')
  return {
    writers,
    plain: Math.round(middle(of('plain'))),
    leased: ratioOf(of('leased'), of('plain')),
    notifying: notifying.length > 0 ? ratioOf(notifying, of('plain')) : undefined,
    rounds: rounds.length,
  }
}

async function commitsPerSecond(bench: Bench, kind: Kind, writers: number, seconds: number): Promise<number> {
  const run = async () => Math.round(await bench.writers.run({ table: tables[kind], writers, seconds }))
  if (kind === 'plain') return run()
  const consumer = bench.consumers[kind satisfies Feed]
  await consumer.start()
  try {
    if (kind === 'leased') await takeLease(bench)
    return await run()
  } finally {
    await consumer.stop()
  }
}

/** A statement that changes many rows makes the reader take it. */
async function takeLease({ client, consumers }: Bench): Promise<void> {
  const deadline = performance.now() + 20_000
  for (let from = 1; (await consumers.leased.status()).wakeUp !== 'lease'; from = (from + 50) % 10_000) {
    if (performance.now() > deadline) throw new Error('The reader did not take the lease')
    const rows = [from, from + 49]
    await client.query(`UPDATE ${tables.leased} SET price = price + 1 WHERE id BETWEEN $1 AND $2`, rows)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
