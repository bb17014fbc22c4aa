/**
 * Works measured side by side: in each round every work runs for the same short time, one after another, so
 * that a noisy machine is noisy for all. What counts is the ratio to the floor within a round; its median
 * and quartiles are told.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Work {
  readonly name: string
  run(): unknown
  /** Clears up after each batch, outside of the time that counts. */
  clear?(): void
  /** Called when all has been measured. */
  end?(): unknown
}

export interface Measured {
  readonly name: string
  readonly perSecond: number
  /** Against the first work of the group, in the same round. */
  readonly ratio: number
  readonly quartiles: readonly [number, number]
  /** Microseconds of processor a call takes in this process, all its threads counted: the median. */
  readonly cpuUs?: number
}

/** Of one work in one round. */
export interface Speed {
  readonly perSecond: number
  /** Microseconds of processor a call takes. */
  readonly cpuUs: number
}

export interface RoundOptions {
  readonly rounds: number
  readonly roundMs: number
  /** After so much time there are no more rounds than `leastRounds`. Default: no limit. */
  readonly budgetMs?: number
  /** How many calls are under way at a time. Default 1. */
  readonly inFlight?: number
}

setFlagsFromString('--expose-gc')
const gc: (options: { readonly type: 'minor' }) => void = runInNewContext('gc')

/** Calls between two looks at the clock: more of them where they take less than that. */
const leastBatch = 4
const batchMs = 0.5
const leastRounds = 3

export async function measure(works: readonly Work[], options: RoundOptions): Promise<Measured[]> {
  const { rounds, roundMs, budgetMs = Number.POSITIVE_INFINITY, inFlight = 1 } = options
  const began = performance.now()
  const speeds = works.map((): Speed[] => [])
  for (const work of works) await speedOf(work, roundMs / 4, inFlight)
  for (let round = 0; round < rounds; round++) {
    if (round >= leastRounds && performance.now() - began > budgetMs) break
    for (const [index, work] of works.entries()) {
      speeds[index]?.push(await speedOf(work, roundMs, inFlight))
    }
  }
  for (const work of works) await work.end?.()
  return compare(
    works.map(({ name }) => name),
    speeds,
  )
}

/** What was measured in rounds, as medians, each against the first of its round. */
export function compare(names: readonly string[], speeds: readonly (readonly Speed[])[]): Measured[] {
  const median = (values: readonly number[]) => rounded(quantile(values, 0.5))
  return names.map((name, index) => {
    const own = speeds[index] ?? []
    const ratios = own.map(({ perSecond }, round) => perSecond / (speeds[0]?.[round]?.perSecond ?? 1))
    return {
      name,
      perSecond: median(own.map(({ perSecond }) => perSecond)),
      ratio: median(ratios),
      quartiles: [rounded(quantile(ratios, 0.25)), rounded(quantile(ratios, 0.75))],
      cpuUs: median(own.map(({ cpuUs }) => cpuUs)),
    }
  })
}

/** Of the young: each work pays for its own, and the next one for nobody's. */
function collectGarbage(): void {
  gc({ type: 'minor' })
}

async function speedOf({ run, clear }: Work, forMs: number, inFlight: number): Promise<Speed> {
  let spentMs = 0
  let cpuUs = 0
  let runs = 0
  let batch = leastBatch
  const timed = async (work: () => unknown) => {
    const cpuBefore = process.cpuUsage()
    const began = performance.now()
    await work()
    const tookMs = performance.now() - began
    const { user, system } = process.cpuUsage(cpuBefore)
    spentMs += tookMs
    cpuUs += user + system
    return tookMs
  }
  while (spentMs < forMs) {
    const tookMs = await timed(() =>
      inFlight === 1 ? oneByOne(run, batch) : Promise.all(Array.from({ length: inFlight }, run)),
    )
    runs += inFlight === 1 ? batch : inFlight
    // What is cleared up after each batch has room for so many.
    if (tookMs < batchMs && clear === undefined) batch *= 2
    clear?.()
  }
  await timed(collectGarbage)
  return { perSecond: (runs / spentMs) * 1000, cpuUs: cpuUs / runs }
}

async function oneByOne(run: () => unknown, times: number): Promise<void> {
  for (let repeat = 0; repeat < times; repeat++) {
    const answer = run()
    if (answer instanceof Promise) await answer
  }
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
