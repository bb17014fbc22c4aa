/** What a feed invalidator knows of itself, for `doctor` and dashboards. */
import type { PagekeepError } from '../../../core/errors.js'
import type { InvalidatorState } from '../status.js'
import type { JanitorReport } from './janitor.js'

export interface FeedStatus {
  /** The states are explained in feed-invalidator.ts. */
  readonly state: InvalidatorState
  /** Since when it is in that state, in milliseconds since 1970. */
  readonly sinceMs: number
  /** When the server was last heard, in milliseconds since 1970. */
  readonly lastHeardAtMs: number | undefined
  /** Connections made since the process began. */
  readonly connections: number
  /** Pages removed since the process began. */
  readonly removed: number
  readonly lastError: PagekeepError | undefined
  /** This node's name; `undefined` before the first connection, unless it was given. */
  readonly node: string | undefined
  readonly source: 'primary' | 'standby' | undefined
  /** What wakes it: a NOTIFY, a poll lease, or the time alone. */
  readonly wakeUp: 'notify' | 'lease' | 'poll' | undefined
  /** The snapshot up to which all is evicted; `undefined` while this process does not read the feed. */
  readonly cursor: string | undefined
  /** Rows read since the process began. */
  readonly rows: number
  /** Selectors that could not be evicted and are tried again. */
  readonly owed: number
  /** Nothing can be evicted at all, so nothing is read until that is mended. */
  readonly isResting: boolean
  /** What this process last found when it looked for rows past their time. */
  readonly tidied: JanitorReport | undefined
}
