/** What a run found, in one line of JSON or as a table. */
import type { Counter, Tally } from './board.js'
import type { StressOptions } from './options.js'

/** The first ten are what the run is for; the rest says under which circumstances they were found. */
export interface Summary {
  readonly ops: number
  readonly hits: number
  readonly kept: number
  readonly doomed: number
  readonly evictions: number
  readonly kills: number
  /** Kept pages that were older than their data when everything was at rest. */
  readonly staleKept: number
  /** Answers older than what had been acknowledged before they were asked for. */
  readonly staleReads: number
  /** Pages that were not whole. */
  readonly tornReads: number
  /** What dead processes left and survivors did not clear. */
  readonly leftovers: number
  readonly audits: number
  readonly pagesAudited: number
  /** Faults of the store that the cache reported, and evictions that had to be repeated. */
  readonly faults: number
  /** Processes that ended though nobody killed them. */
  readonly crashes: number
  readonly seconds: number
  readonly store: string
  readonly protocol: string
  readonly processes: number
  readonly keys: number
  readonly fileSystem: string
  /** `default`: as the store has it. */
  readonly hotBytes: number | 'default'
  readonly coding: string
  readonly startsBy: 'fork' | 'node'
  readonly seed: number
}

export function totalOf(tallies: readonly Tally[]): Tally {
  const [first, ...rest] = tallies
  const total: Tally = { ...(first as Tally) }
  for (const tally of rest) for (const name of Object.keys(total) as Counter[]) total[name] += tally[name]
  return total
}

export interface Circumstances {
  readonly options: StressOptions
  readonly seconds: number
  readonly kills: number
  readonly audits: number
  readonly crashes: number
  readonly leftovers: number
  readonly fileSystem: string
  readonly startsBy: 'fork' | 'node'
}

export function summaryOf(total: Tally, circumstances: Circumstances): Summary {
  const { options, seconds, kills, audits, crashes, leftovers, fileSystem, startsBy } = circumstances
  const { ops, hits, kept, doomed, evictions, staleKept, staleReads, tornReads, pagesAudited, faults } = total
  const { store, protocol, processes, keys, hotBytes = 'default', coding, seed } = options
  return {
    ...{ ops, hits, kept, doomed, evictions, kills, staleKept, staleReads, tornReads, leftovers },
    ...{ audits, pagesAudited, faults, crashes, seconds: Math.round(seconds * 10) / 10 },
    ...{ store, protocol, processes, keys, fileSystem, hotBytes, coding, startsBy, seed },
  }
}

/** How many broken promises there are. */
export function violations({ staleKept, staleReads, tornReads }: Summary | Tally): number {
  return staleKept + staleReads + tornReads
}

/** The exit code. A crash of the program under stress is a failure too. */
export function exitCode(summary: Summary, { expectsStale }: StressOptions): 0 | 1 {
  if (summary.ops === 0 || summary.crashes > 0) return 1
  const { staleKept, staleReads } = summary
  const isAsWished = expectsStale ? staleKept + staleReads > 0 : violations(summary) === 0
  return isAsWished ? 0 : 1
}

export function table(summary: Summary): string {
  // The seed is to be copied.
  const shown = { ...summary, seed: String(summary.seed) }
  const rows = Object.entries(shown).map(([name, value]) => `  ${name.padEnd(13)} ${format(value).padStart(13)}`)
  const { staleKept, staleReads, tornReads } = summary
  const verdict =
    violations(summary) === 0
      ? 'No stale page was kept, none was answered, none was torn.'
      : `BROKEN: ${staleKept} stale kept, ${staleReads} stale read, ${tornReads} torn.`
  return `${rows.join('\n')}\n${verdict}\n`
}

export function progressLine(seconds: number, kills: number, total: Tally): string {
  const { ops, kept, doomed, evictions, staleKept, staleReads, tornReads } = total
  const counts = `${format(ops)} ops, ${format(kept)} kept, ${format(doomed)} doomed, ${format(evictions)} evictions`
  return `${seconds.toFixed(0).padStart(5)} s: ${counts}, ${format(kills)} kills; stale ${staleKept} + ${staleReads}, torn ${tornReads}\n`
}

function format(value: number | string): string {
  return typeof value === 'number' ? value.toLocaleString('en') : value
}
