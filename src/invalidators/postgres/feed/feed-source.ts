/**
 * Where a feed's rows come from: the seam between reading and evicting.
 *
 * Two sources read the table (table-source.ts): from a primary and from a hot standby. A replication slot, or
 * a standby named beside the primary as the place that pages are rendered from, would be another: it answers
 * with pages of rows and with cursors, and all behind it stays as it is.
 */
import type { Connection } from '../connection.js'

/** Which feed of which server: cursors of another one say nothing here. */
export interface FeedIdentity {
  /** `pg_control_system().system_identifier`: one for a server and all its standbys. */
  readonly system: string
  /** Rises when a standby is promoted; what the old primary had not shipped is lost then, and its xids come again. */
  readonly timeline: string
  readonly database: string
  /** Of the schema: a feed that was dropped and made anew has another. */
  readonly epoch: string
  /** Changes when the server has recovered from a crash: transactions that were not on disk are lost, and their xids come again. */
  readonly boot: string
  readonly source: 'primary' | 'standby'
}

/** How far a feed has been read. */
export interface Cursor {
  /** A `pg_snapshot`; of a standby's only `xmin` counts. */
  readonly snapshot: string
  /** The feed's low-water mark at that moment: what was thrown away before had been seen. */
  readonly lowWater: string
  /** Of a standby: up to where the primary's log had been replayed before the snapshot was taken. */
  readonly lsn?: string
}

export interface FeedRow {
  readonly xid: string
  readonly id: string
  readonly rule: string
  readonly selector: string | null
  readonly tag: string | null
}

/** Rows that were read by one statement, and the state of the feed that it saw. */
export interface FeedPage {
  readonly rows: readonly FeedRow[]
  /** Where the next page begins; absent: there is none. */
  readonly next?: PageStart
  /** Where to read on from once all pages are evicted; only that of the first page counts. */
  readonly cursor: Cursor
  readonly epoch: string
  readonly source: FeedIdentity['source']
  /** Whether writers send NOTIFYs at all. */
  readonly notifies: boolean
  /** The poll lease, in milliseconds since 1970 by the server's clock. */
  readonly leaseUntilMs: number
  /** The server's clock, read after the snapshot was taken. */
  readonly serverNowMs: number
  /** The same before the snapshot, as text: all that was committed before it is in these pages. */
  readonly askedAt: string
}

/** Where the page before ended. */
export type PageStart = Pick<FeedRow, 'xid' | 'id'>

export interface FeedSource {
  readonly kind: FeedIdentity['source']
  /** Throws `database-lacks` when there is no feed. */
  identify(connection: Connection): Promise<FeedIdentity>
  /** Where the feed ends now. */
  end(connection: Connection): Promise<Cursor>
  /** The rows after `cursor`, in the order of `(xid, id)`, at most `limit`; `after`: after that page. */
  read(connection: Connection, cursor: Cursor, limit: number, after?: PageStart): Promise<FeedPage>
}
