/**
 * What is observed, as far as it has to be known: a cache and an invalidator as they look from outside. A
 * `PageCache`, a `PostgresInvalidator` and a `FeedInvalidator` fit, and so does what stands in for them.
 */
import type { PagekeepError } from '../core/errors.js'
import type { CacheEventName, CacheListener } from '../core/events.js'
import type { EvictionReport } from '../core/eviction-report.js'
import type { StoreState } from '../core/store.js'

export interface ObservedCache {
  on<Name extends CacheEventName>(name: Name, listener: CacheListener<Name>): () => void
  readonly state: Pick<StoreState, 'read'>
}

/** The events of an invalidator that are counted. */
export interface ObservedEvents {
  readonly evicted: {
    readonly why: string
    readonly selectors: readonly string[]
    readonly removed: number
    readonly rules: readonly string[]
    readonly report: EvictionReport
  }
  readonly disconnected: { readonly reason: PagekeepError; readonly retryInMs: number }
  readonly emptied: { readonly reason: string; readonly message: string }
  readonly error: PagekeepError
}

/** What an invalidator says of itself, each part where it has one. */
export interface ObservedStatus {
  readonly state: string
  readonly sinceMs?: number
  readonly lastHeardAtMs?: number | undefined
  readonly connections?: number
  readonly node?: string | undefined
  readonly owed?: number
  readonly secondLook?: { readonly pending: number }
  readonly queues?: readonly {
    readonly table: string
    readonly backlog: number | undefined
    readonly setAside: readonly unknown[]
  }[]
}

export interface ObservedInvalidator {
  on<Name extends keyof ObservedEvents>(name: Name, listener: (event: ObservedEvents[Name]) => void): () => void
  status(): ObservedStatus
}

/** What `rule()`, `watch()` and `bridge()` make. */
export interface ObservedRule {
  readonly channel?: string
  readonly queue?: { readonly table: { readonly written: string } } | undefined
  readonly table?: { readonly written: string }
}

/** As evictions name it: by its table, or by its channel where it has none. */
export function ruleName(rule: string | ObservedRule): string {
  if (typeof rule === 'string') return rule
  return rule.table?.written ?? rule.queue?.table.written ?? rule.channel ?? 'other'
}

const states = ['stopped', 'connecting', 'waiting', 'standing-by', 'catching-up', 'listening', 'stopping']

/** Every state that one may be in. */
export function statesOf({ state }: ObservedStatus): string[] {
  return states.includes(state) ? states : [...states, state]
}

/** `undefined` where it cannot tell. */
export function readStatus(invalidator: ObservedInvalidator): ObservedStatus | undefined {
  try {
    return invalidator.status()
  } catch {
    return undefined
  }
}
