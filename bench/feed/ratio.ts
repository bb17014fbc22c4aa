/** A measured row of numbers beside that of its floor, pair by pair, in the same rounds. */
import { quantile, rounded } from '../rounds.js'

export interface Ratio {
  /** Of the numbers themselves. */
  readonly median: number
  /** Of the numbers by those of the floor, each in its round. */
  readonly ratio: number
  readonly quartiles: readonly [number, number]
}

export function ratioOf(own: readonly number[], floor: readonly number[]): Ratio {
  const ratios = own.map((number, round) => number / (floor[round] ?? Number.NaN))
  return {
    median: rounded(middle(own)),
    ratio: rounded(middle(ratios)),
    quartiles: [rounded(quantile(ratios, 0.25)), rounded(quantile(ratios, 0.75))],
  }
}

/** The median; of an even number of values the mean of the two in the middle. */
export function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return ((sorted[Math.floor(half)] ?? Number.NaN) + (sorted[Math.ceil(half) - 1] ?? Number.NaN)) / 2
}
