/** What was measured, as a table for people and as the one object of `--json`. */
import type { CommitCosts } from './commits.js'
import type { CpuCost } from './cpu.js'
import { delayed } from './delay-flushes.js'
import type { DrainCost } from './drain.js'
import type { LatencyCost } from './latency.js'
import type { StatementCost } from './statements.js'

export interface Report {
  readonly fsyncMs: number
  /** The machine's load when it began and when it ended, of the last minute. */
  readonly load: readonly [number, number]
  readonly cores: number
  readonly seconds: number
  readonly writers: string
  readonly settings: Readonly<Record<string, string>>
  readonly remarks: readonly string[]
  readonly commits?: readonly CommitCosts[]
  readonly statements?: readonly StatementCost[]
  readonly drain?: readonly DrainCost[]
  readonly latency?: Record<'idle' | 'busy', LatencyCost>
  readonly cpu?: readonly CpuCost[]
}

/** The ratios first, by name; then all that they rest on. */
export function asJson(report: Report): string {
  const { commits = [], statements = [], drain = [], latency } = report
  const disk = (delayMs: number) => (delayMs > 0 ? `Disk${delayMs}ms` : '')
  const suffix = ({ writers, delayMs }: CommitCosts) => `${writers}${disk(delayMs)}`
  const ratios = {
    ...Object.fromEntries(commits.map((cost) => [`commitsRatio${suffix(cost)}`, cost.leased.ratio])),
    ...Object.fromEntries(
      commits.flatMap((cost) => (cost.notifying ? [[`notifyRatio${suffix(cost)}`, cost.notifying.ratio]] : [])),
    ),
    ...Object.fromEntries(drain.map(({ delayMs, ratio }) => [`drainRatio${disk(delayMs)}`, ratio])),
    latencyP50Ratio: latency?.idle.p50Ratio,
    latencyP99Ratio: latency?.idle.p99Ratio,
    latencyBusyP50Ratio: latency?.busy.p50Ratio,
    latencyBusyP99Ratio: latency?.busy.p99Ratio,
    statementWatchedRatio: statements[1]?.ratio,
    statementUnwatchedRatio: statements.at(-1)?.ratio,
  }
  return JSON.stringify({ ...ratios, ...report })
}

export function asText(report: Report): string {
  const { commits = [], statements = [], drain = [], latency, load, settings, remarks } = report
  const lines = [
    `fsync ${report.fsyncMs} ms, ${report.cores} cores, load ${load.join(' to ')}, PostgreSQL ${settings.server_version}, ` +
      `writers: ${report.writers}, ${report.seconds} s`,
    ...remarks,
  ]
  for (const { writers, delayMs, plain, leased, notifying, rounds } of commits) {
    const { median, ratio, quartiles } = leased
    const beside = notifying ? `; NOTIFY at each commit ${notifying.median}/s, ${notifying.ratio} x` : ''
    lines.push(
      `${writers} writers${delayed(delayMs)}: ${plain}/s without triggers, ${median}/s with, ${ratio} x (${quartiles.join(' to ')}, ${rounds} rounds)${beside}`,
    )
  }
  for (const { name, median, ratio, quartiles, feedRows } of statements) {
    lines.push(
      `20,000 rows, ${name}: ${median} ms, ${ratio} x (${quartiles.join(' to ')}), ${feedRows} rows in the feed`,
    )
  }
  for (const { delayMs, median, loop, language, ratio, quartiles } of drain) {
    lines.push(
      `backlog${delayed(delayMs)}: ${median} rows/s, the loop (${language}) ${loop} rows/s, ${ratio} x (${quartiles.join(' to ')})`,
    )
  }
  for (const [name, cost] of Object.entries(latency ?? {})) {
    const { ours, loop, p50Ratio, p99Ratio, samples } = cost
    lines.push(
      `commit to files gone, ${name}: p50 ${ours.p50} ms against ${loop.p50}, ${p50Ratio} x; ` +
        `p99 ${ours.p99} ms against ${loop.p99}, ${p99Ratio} x (${samples} samples)`,
    )
  }
  for (const { name, server, reader, writers } of report.cpu ?? []) {
    lines.push(`processor time a commit, ${name}: server ${server} µs, reader ${reader} µs, writers ${writers} µs`)
  }
  return `${lines.join('\n')}\n`
}
