/**
 * Works measured side by side: in each round every work runs for the same short time, one after another, so
 * that a noisy machine is noisy for all. What counts is the ratio to the floor within a round; its median
 * and quartiles are told.
 */
export interface Work {
  readonly name: string
  run(): unknown
}

export interface Measured {
  readonly name: string
  readonly perSecond: number
  /** Against the first work of the group, in the same round. */
  readonly ratio: number
  readonly quartiles: readonly [number, number]
}

export async function measure(works: readonly Work[], rounds: number, roundMs: number): Promise<Measured[]> {
  const speeds = works.map((): number[] => [])
  for (const work of works) await speedOf(work, roundMs / 4)
  for (let round = 0; round < rounds; round++) {
    for (const [index, work] of works.entries()) speeds[index]?.push(await speedOf(work, roundMs))
  }
  return works.map(({ name }, index) => {
    const own = speeds[index] ?? []
    const ratios = own.map((speed, round) => speed / (speeds[0]?.[round] ?? 1))
    return {
      name,
      perSecond: Math.round(quantile(own, 0.5)),
      ratio: rounded(quantile(ratios, 0.5)),
      quartiles: [rounded(quantile(ratios, 0.25)), rounded(quantile(ratios, 0.75))],
    }
  })
}

/** Runs a second. */
async function speedOf({ run }: Work, forMs: number): Promise<number> {
  const began = performance.now()
  let runs = 0
  let now = began
  while (now - began < forMs) {
    for (let repeat = 0; repeat < 8; repeat++) {
      const answer = run()
      if (answer instanceof Promise) await answer
    }
    runs += 8
    now = performance.now()
  }
  return (runs / (now - began)) * 1000
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
