/**
 * A moment in the life of a database, and whether a cursor has passed it: what `settled` waits for.
 *
 * Of a client it is the snapshot of a new statement, which shows all that the client has committed. Standbys
 * have no such snapshots; for them it is also the end of the primary's log, which lies behind those commits.
 */
import { PagekeepError, reasonOf } from '../../../core/errors.js'
import { codeOf } from '../database-errors.js'
import { lsnOf } from './cursor-keeper.js'
import type { Cursor, FeedIdentity } from './feed-source.js'
import { covers, hasEnded, parseSnapshot } from './snapshot.js'

/** What a `pg.Client`, `pg.PoolClient` or `pg.Pool` has. */
export interface QueryClient {
  query(sql: string): Promise<{ rows: Record<string, unknown>[] }>
  /** `I` outside of a transaction, `T` or `E` inside. */
  getTransactionStatus?(): string | null
}

/**
 * - A client: all that it has committed so far. It must not be inside a transaction.
 * - `{ xid }`: the transaction of that `pg_current_xact_id()`.
 * - `{ lsn }`: every commit that had returned to its client when the log's end was `lsn`
 *   (`pg_current_wal_insert_lsn()`, asked after the commit).
 */
export type PositionInput = QueryClient | { readonly xid: string | bigint } | { readonly lsn: string }

export interface Position {
  readonly snapshot?: string
  readonly xid?: bigint
  readonly lsn?: string
  /** The system and the database, where known. */
  readonly place?: string
  /** Which life of that system: after a crash or a promotion numbers of transactions are given again. */
  readonly life?: string
}

/** How the server is asked for `place`. */
export const placeSql = `(SELECT system_identifier::text FROM pg_control_system()) || '/' ||
  (SELECT oid::text FROM pg_database WHERE datname = current_database())`

/** Of a primary. Its control file names the timeline late, after the first checkpoint; a log file's name does at once. */
export const primaryTimelineSql = 'substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)'

/** Statistics are forgotten when a server recovers from a crash, and only then begin anew by themselves. */
export const bootSql = '(SELECT extract(epoch FROM stats_reset)::text FROM pg_stat_archiver)'

/** Without parameters, so that it is its own transaction: its clock then stands at the statement's. */
const clientSql = `SELECT pg_current_snapshot()::text AS snapshot, ${placeSql} AS place,
  CASE WHEN NOT pg_is_in_recovery() THEN ${primaryTimelineSql} || '/' || ${bootSql} END AS life,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn()::text END AS lsn,
  (pg_current_xact_id_if_assigned() IS NOT NULL OR transaction_timestamp() <> statement_timestamp())::text AS is_inside`

/** In such a transaction PostgreSQL refuses whatever is asked. */
const failedTransaction = '25P02'

/** Throws `in-transaction`, or a `TypeError` for what is no position. */
export async function readPosition(input: PositionInput): Promise<Position> {
  if (typeof input !== 'object' || input === null) throw noPosition(input)
  if ('query' in input && typeof input.query === 'function') return positionOf(input)
  if ('xid' in input) {
    const xid = typeof input.xid === 'bigint' || /^\d+$/.test(String(input.xid)) ? BigInt(input.xid) : undefined
    if (xid === undefined) throw new TypeError(`Expected xid to be a pg_current_xact_id(), got ${String(input.xid)}`)
    return { xid }
  }
  if ('lsn' in input) {
    if (!/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i.test(String(input.lsn))) {
      throw new TypeError(`Expected lsn to be a position such as "16/B374D848", got ${String(input.lsn)}`)
    }
    return { lsn: input.lsn }
  }
  throw noPosition(input)
}

/** Of a primary, as `Position.life`. */
export function lifeOf({ timeline, boot }: FeedIdentity): string {
  return `${timeline}/${boot}`
}

/** Whether all before `position` lies before `cursor`; `source`: where the cursor was read. */
export function isPast(cursor: Cursor, source: 'primary' | 'standby', position: Position): boolean {
  const reached = parseSnapshot(cursor.snapshot)
  if (source === 'standby') {
    if (position.lsn !== undefined) return lsnOf(cursor.lsn) >= endOfRecord(lsnOf(position.lsn))
    // Its list of open transactions is empty: only what lies before all of them is certain.
    return position.xid !== undefined && position.xid < reached.xmin
  }
  if (position.snapshot !== undefined) return covers(reached, parseSnapshot(position.snapshot))
  return position.xid !== undefined && hasEnded(position.xid, reached)
}

async function positionOf(client: QueryClient): Promise<Position> {
  const { rows } = await client.query(clientSql).catch((thrown: unknown) => {
    // The client's status may not say so yet: who awaited what failed knows of the error before the client knows of that.
    if (codeOf(thrown) === failedTransaction) throw inTransaction(thrown)
    throw new PagekeepError('not-settled', `The client could not be asked for its position: ${reasonOf(thrown)}.`, {
      cause: thrown,
    })
  })
  const row = rows[0] ?? {}
  // Asked again: what was queued before our statement may have begun or ended a transaction.
  const isInside =
    client.getTransactionStatus === undefined ? row.is_inside === 'true' : client.getTransactionStatus() !== 'I'
  if (isInside) throw inTransaction()
  const { snapshot, place, life, lsn } = row
  if (typeof lsn !== 'string') {
    throw new TypeError('Expected a client of the primary; this one is connected to a standby, which commits nothing')
  }
  return { snapshot: String(snapshot), place: String(place), life: String(life), lsn }
}

/** The log's insert position can lie just past the header of a page, where its last record ended before it. */
function endOfRecord(lsn: bigint): bigint {
  const inPage = lsn % 8192n
  return inPage <= 40n ? lsn - inPage : lsn
}

function inTransaction(cause?: unknown): PagekeepError {
  const message =
    'The client is inside an open transaction: what it wrote is not committed yet. COMMIT first, then ask.'
  return new PagekeepError('in-transaction', message, { cause })
}

function noPosition(input: unknown): TypeError {
  return new TypeError(`Expected a pg client, { xid } or { lsn }, got ${input === null ? 'null' : typeof input}`)
}
