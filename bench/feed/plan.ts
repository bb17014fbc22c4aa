/**
 * How much is measured, and until when. Moments are milliseconds since the process began: on a busy machine a
 * part that takes long has fewer rounds, never less than one.
 */
import type { CommitsPlan } from './commits.js'
import type { DrainPlan } from './drain.js'
import type { LatencyPlan } from './latency.js'
import type { StatementsPlan } from './statements.js'

export interface Plan {
  readonly latency: LatencyPlan
  readonly statements: StatementsPlan
  readonly drain: DrainPlan
  readonly commits: CommitsPlan
}

const never = Number.POSITIVE_INFINITY
const times = <T>(count: number, values: readonly T[]): T[] => Array.from({ length: count }, () => values).flat()

export const quickPlan: Plan = {
  latency: { idleSamples: 40, busySeconds: 2, busyRounds: 1, untilMs: 13_000 },
  statements: { rounds: 5, untilMs: 18_000 },
  drain: { rounds: 3, rows: 4_000, loopRows: 1_500, loopSeconds: 1.5, untilMs: 22_000 },
  commits: { rounds: [32, 8, 1, 32, 32, 8, 1, 32], seconds: 1, notifyWith: [32], untilMs: 40_000 },
}

export const fullPlan: Plan = {
  latency: { idleSamples: 400, busySeconds: 10, busyRounds: 3, untilMs: never },
  statements: { rounds: 15, untilMs: never },
  drain: { rounds: 5, rows: 20_000, loopRows: 20_000, loopSeconds: 20, untilMs: never },
  commits: { rounds: times(9, [32, 8, 1]), seconds: 4, notifyWith: [32, 8, 1], untilMs: never },
}
