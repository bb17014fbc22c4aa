/** What an invalidator knows of itself, for `doctor` and dashboards. */
import type { PagekeepError } from '../../core/errors.js'
import type { RowSetAside } from './set-aside.js'

/** The states are explained in postgres-invalidator.ts. */
export type InvalidatorState =
  | 'stopped'
  | 'connecting'
  | 'waiting'
  | 'standing-by'
  | 'catching-up'
  | 'listening'
  | 'stopping'

export interface QueueStatus {
  readonly table: string
  readonly channel: string
  /** Rows that waited when the last sweep began (counted up to 100,000); `undefined` before the first. */
  readonly backlog: number | undefined
  /** Rows cleared since the process began. */
  readonly cleared: number
  /** Rows that cannot be applied, why, and when they are tried again. */
  readonly setAside: readonly RowSetAside[]
}

export interface InvalidatorStatus {
  readonly state: InvalidatorState
  /** Since when it is in that state, in milliseconds since 1970. */
  readonly sinceMs: number
  /** When the server was last heard, in milliseconds since 1970. */
  readonly lastHeardAtMs: number | undefined
  /** When every queue had last been looked at and cleared. */
  readonly lastSweepAtMs: number | undefined
  /** Connections made since the process began. */
  readonly connections: number
  /** Pages removed since the process began. */
  readonly removed: number
  readonly lastError: PagekeepError | undefined
  readonly channels: readonly string[]
  readonly queues: readonly QueueStatus[]
  /** Selectors that are to be evicted a second time, and how many open transactions that waits for. */
  readonly secondLook: { readonly pending: number; readonly waitingFor: number }
}
