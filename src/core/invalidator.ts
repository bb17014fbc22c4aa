/**
 * The port between what learns that pages are old and what holds them. An invalidator never sees a
 * store: it is handed something that evicts, and a place for the little it must remember.
 */
import type { EvictionReport } from './eviction-report.js'
import type { SelectorInput } from './selector.js'
import type { Awaitable, StoreState } from './store.js'

/** What an invalidator acts on: a `PageCache`, or anything with its `evict`. */
export interface EvictionTarget {
  /** Resolves when the eviction is done; rejects when any part of it is not. */
  evict(selectors: readonly SelectorInput[]): Promise<EvictionReport>
  /** Lives exactly as long as the pages do. Without it an invalidator remembers nothing over a restart. */
  readonly state?: StoreState
}

/** A way of learning that pages are old. */
export interface Invalidator {
  /** Resolves when it has caught up, or is trying to. Rejects for what trying again cannot mend. */
  start(): Promise<void>
  /** Finishes the eviction at hand, then ends every connection. */
  stop(): Awaitable<void>
}

/** Where an invalidator tells what it does. It must not block: pino, console or your own. */
export interface Logger {
  debug(message: string, details?: object): void
  info(message: string, details?: object): void
  warn(message: string, details?: object): void
  error(message: string, details?: object): void
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
