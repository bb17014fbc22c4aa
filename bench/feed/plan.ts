/**
 * How much is measured, and until when. Moments are milliseconds since the process began: on a busy machine a
 * part that takes long has fewer rounds, and the last of them may have none.
 */
import type { CommitsPlan, CommitsRound } from './commits.js'
import type { CpuPlan } from './cpu.js'
import type { DrainPlan } from './drain.js'
import type { LatencyPlan } from './latency.js'
import type { StatementsPlan } from './statements.js'

export interface Plan {
  readonly latency: LatencyPlan
  readonly statements: StatementsPlan
  readonly drain: DrainPlan
  readonly commits: CommitsPlan
  readonly cpu: CpuPlan
}

const never = Number.POSITIVE_INFINITY
const of = (writers: number, delayMs = 0): CommitsRound => ({ writers, delayMs })
const times = <T>(count: number, values: readonly T[]): T[] => Array.from({ length: count }, () => values).flat()

export const quickPlan: Plan = {
  latency: { idleSamples: 40, busySeconds: 1, busyRounds: 1, untilMs: 12_000 },
  statements: { rounds: 3, untilMs: 14_000 },
  // Fewer would measure how long it takes to connect.
  drain: { rounds: [0, 1, 0], rows: 5_000, loopRows: 800, loopSeconds: 1, untilMs: 18_000 },
  commits: {
    rounds: times(5, [of(32), of(32, 1), of(8), of(1)]),
    seconds: 0.8,
    notifyWith: [32],
    untilMs: 33_000,
    lastMs: 40_000,
  },
  cpu: { rounds: 2, seconds: 1, writers: 32 },
}

export const fullPlan: Plan = {
  latency: { idleSamples: 200, busySeconds: 8, busyRounds: 2, untilMs: never },
  statements: { rounds: 9, untilMs: never },
  drain: { rounds: times(3, [0, 1]), rows: 20_000, loopRows: 10_000, loopSeconds: 10, untilMs: never },
  commits: {
    rounds: times(6, [of(32), of(32, 1), of(8), of(1)]),
    seconds: 2,
    notifyWith: [32, 8, 1],
    untilMs: never,
    lastMs: never,
  },
  cpu: { rounds: 6, seconds: 2, writers: 32 },
}
