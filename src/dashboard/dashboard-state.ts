/** All that the page shows but the tree, as one object, and whether it is well. */
import type { ObservedEviction, ObservedInvalidator, Observer } from '../metrics/index.js'
import { maxEvents, type Recorder } from './recorder.js'

/** One node as the app's `nodes()` tells it: for sites on several hosts. */
export interface NodeReport {
  readonly name: string
  readonly state: string
  readonly lagSeconds?: number | null
  readonly backlog?: number | null
  /** When it was last heard, in milliseconds since 1970. */
  readonly seenAtMs?: number | null
}

/** As one was seen here or told by another process; what is not known of it is `null`. */
export interface ToldEviction extends Omit<ObservedEviction, 'removed' | 'doomed'> {
  readonly removed: number | null
  readonly doomed: number | null
}

/** What other processes did. */
export interface History {
  readonly evictions: readonly ToldEviction[]
  readonly dooms: readonly { readonly atMs: number; readonly key: string }[]
}

/** For a dashboard in a process that renders nothing itself: what can be known of those that do, from outside. */
export interface Outside {
  /** What cannot, and why: shown on the page. */
  readonly unseen: readonly string[]
  /** Asked at each refresh. */
  readonly history?: () => Promise<History> | History
  /** How many renders are under way in all processes. */
  readonly rendersInFlight?: () => number
}

export interface StateParts {
  readonly outside: Outside | undefined
  readonly observer: Observer
  readonly recorder: Recorder
  readonly invalidator: ObservedInvalidator | undefined
  readonly nodes: (() => Promise<readonly NodeReport[]> | readonly NodeReport[]) | undefined
  readonly storeName: string
  readonly silentAfterMs: number
  readonly canEvict: boolean
  readonly hasDoctor: boolean
}

export async function readState(parts: StateParts) {
  const { observer, recorder, invalidator, silentAfterMs, outside } = parts
  await observer.collect()
  const { metrics } = observer
  const number = (value: number) => (Number.isNaN(value) ? null : value)
  const lagSeconds = number(metrics.lag.at().value)
  const status = statusOf(invalidator)
  const isUp = status === undefined || ['listening', 'catching-up', 'standing-by'].includes(status.state)
  const isSilent = (lagSeconds !== null && lagSeconds * 1000 > silentAfterMs) || !isUp
  const { nodes, failed } = await nodesOf(parts)
  const history = await historyOf(outside)
  return {
    nowMs: Date.now(),
    store: parts.storeName,
    canEvict: parts.canEvict,
    hasDoctor: parts.hasDoctor,
    silentAfterMs,
    isSilent,
    isBlind: metrics.blind.at().value === 1,
    lagSeconds,
    hits: metrics.hits.total,
    misses: metrics.misses.total,
    unseen: outside?.unseen ?? null,
    inFlight: rendersOf(outside) ?? observer.rendersInFlight,
    kept: metrics.kept.total,
    doomed: metrics.doomed.total,
    evictions: metrics.evictions.total,
    removed: metrics.removed.total,
    blindSeconds: metrics.blindSeconds.total,
    bytes: number(metrics.storeBytes.at().value),
    pages: number(metrics.storePages.at().value),
    invalidator: status ?? null,
    nodes,
    nodesFailed: failed,
    recentEvictions: latest<ToldEviction>(history.evictions, recorder.evictions).slice(0, maxEvents),
    recentDooms: latest(history.dooms, recorder.dooms).slice(0, 20),
    historyFailed: history.failed,
    blindPeriods: [...recorder.blindPeriods].reverse().slice(0, 20),
    faults: [...recorder.faults.values()].sort((a, b) => b.lastAtMs - a.lastAtMs).slice(0, 30),
  }
}

function statusOf(invalidator: ObservedInvalidator | undefined) {
  if (invalidator === undefined) return undefined
  try {
    const { state, sinceMs = null, lastHeardAtMs = null, node = null, owed = null, queues = [] } = invalidator.status()
    const shown = queues.map(({ table, backlog = null, setAside }) => ({ table, backlog, setAside: setAside.length }))
    return { state, sinceMs, lastHeardAtMs, node, owed, queues: shown }
  } catch {
    return { state: 'unknown', sinceMs: null, lastHeardAtMs: null, node: null, owed: null, queues: [] }
  }
}

async function nodesOf({ nodes }: StateParts): Promise<{ nodes: readonly NodeReport[]; failed: boolean }> {
  try {
    return { nodes: (await nodes?.()) ?? [], failed: false }
  } catch {
    return { nodes: [], failed: true }
  }
}

async function historyOf(outside: Outside | undefined): Promise<History & { readonly failed: boolean }> {
  try {
    return { evictions: [], dooms: [], ...(await outside?.history?.()), failed: false }
  } catch {
    return { evictions: [], dooms: [], failed: true }
  }
}

function rendersOf(outside: Outside | undefined): number | undefined {
  try {
    return outside?.rendersInFlight?.()
  } catch {
    return undefined
  }
}

function latest<Event extends { readonly atMs: number }>(...lists: readonly (readonly Event[])[]): Event[] {
  return lists.flat().sort((one, other) => other.atMs - one.atMs)
}
