/**
 * Works measured side by side: in each round every work runs for the same short time, one after another, so
 * that a noisy machine is noisy for all. What counts is the ratio to the floor within a round; its median
 * and quartiles are told.
 */
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

export interface RoundOptions {
  readonly rounds: number
  readonly roundMs: number
  /** After so much time there are no more rounds than `leastRounds`. Default: no limit. */
  readonly budgetMs?: number
  /** How many calls are under way at a time. Default 1. */
  readonly inFlight?: number
}

/** Calls between two looks at the clock: more of them where they take less than that. */
const leastBatch = 4
const batchMs = 0.5
const leastRounds = 3

export async function measure(works: readonly Work[], options: RoundOptions): Promise<Measured[]> {
  const { rounds, roundMs, budgetMs = Number.POSITIVE_INFINITY, inFlight = 1 } = options
  const began = performance.now()
  const speeds = works.map((): number[] => [])
  const costs = works.map((): number[] => [])
  for (const work of works) await speedOf(work, roundMs / 4, inFlight)
  for (let round = 0; round < rounds; round++) {
    if (round >= leastRounds && performance.now() - began > budgetMs) break
    for (const [index, work] of works.entries()) {
      const { perSecond, cpuUs } = await speedOf(work, roundMs, inFlight)
      speeds[index]?.push(perSecond)
      costs[index]?.push(cpuUs)
    }
  }
  for (const work of works) await work.end?.()
  const measured = compare(
    works.map(({ name }) => name),
    speeds,
  )
  return measured.map((one, index) => ({ ...one, cpuUs: rounded(quantile(costs[index] ?? [], 0.5)) }))
}

/** What was measured in rounds, as medians, each against the first of its round. */
export function compare(names: readonly string[], speeds: readonly (readonly number[])[]): Measured[] {
  return names.map((name, index) => {
    const own = speeds[index] ?? []
    const ratios = own.map((speed, round) => speed / (speeds[0]?.[round] ?? 1))
    return {
      name,
      perSecond: rounded(quantile(own, 0.5)),
      ratio: rounded(quantile(ratios, 0.5)),
      quartiles: [rounded(quantile(ratios, 0.25)), rounded(quantile(ratios, 0.75))],
    }
  })
}

async function speedOf({ run, clear }: Work, forMs: number, inFlight: number) {
  let spentMs = 0
  let cpuUs = 0
  let runs = 0
  let batch = leastBatch
  while (spentMs < forMs) {
    const cpuBefore = process.cpuUsage()
    const began = performance.now()
    if (inFlight === 1) await oneByOne(run, batch)
    else await Promise.all(Array.from({ length: inFlight }, run))
    const tookMs = performance.now() - began
    const { user, system } = process.cpuUsage(cpuBefore)
    spentMs += tookMs
    cpuUs += user + system
    runs += inFlight === 1 ? batch : inFlight
    // What is cleared up after each batch has room for so many.
    if (tookMs < batchMs && clear === undefined) batch *= 2
    clear?.()
  }
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
