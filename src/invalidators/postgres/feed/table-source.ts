/**
 * Reads the feed's table. Ids and commits have different orders: A takes 1, B takes 2, B commits first, and
 * "id > 2" never sees A. So the cursor is the snapshot of the last read, and what is asked for are the rows
 * of transactions that had not ended in it: each exactly once, in whatever order transactions end.
 *
 * On a hot standby a snapshot's list of open transactions is empty, and `pg_visible_in_snapshot` is true for
 * one still open. There, rows from `xmin` on are read again each time, and those seen before are dropped.
 */
import type { Connection } from '../connection.js'
import { lacks, statementFailure } from '../database-errors.js'
import type { Cursor, FeedIdentity, FeedPage, FeedRow, FeedSource, PageStart } from './feed-source.js'
import { bootSql, primaryTimelineSql } from './position.js'
import type { SchemaName } from './schema/quoting.js'
import { parseSnapshot } from './snapshot.js'

const isPrimary = 'NOT pg_is_in_recovery()'

const identitySql = ({ of }: SchemaName) => `
  SELECT s.system_identifier::text AS system, epoch::text AS epoch,
         (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS database,
         CASE WHEN ${isPrimary} THEN ${primaryTimelineSql}
              ELSE lpad(to_hex(greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                                        (SELECT min_recovery_end_timeline FROM pg_control_recovery()))), 8, '0')
         END AS timeline,
         CASE WHEN ${isPrimary} THEN ${bootSql} END AS boot,
         pg_is_in_recovery()::text AS is_standby
    FROM ${of('feed_state')}, pg_control_system() AS s`

/** Rounded down: a lease must not be seen to have run out while writers still see it run, and send no NOTIFY. */
export const nowMsSql = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

// The names of columns that are cast are changed: ORDER BY would take the text, in which 100 comes before 96.
// The locks on the partitions are taken before the snapshot: one that is emptied meanwhile is seen wholly or not at all.
// One condition says where the index is entered: beside a second one, such as "xid >= xmin", it is read from its start.
// All rows come as one text, since each row by itself would carry all of the state, made anew for it.
const readSql = ({ of }: SchemaName, isNew: string) => `
  SELECT pg_current_snapshot()::text AS snapshot, statement_timestamp()::text AS asked_at,
         pg_is_in_recovery()::text AS is_standby,
         st.epoch::text AS epoch, st.low_water::text AS low_water, st.notify::text AS notifies,
         (SELECT last_value::text FROM ${of('lease')}) AS lease,
         (${nowMsSql})::text AS now_ms,
         (SELECT json_agg(json_build_array(q.xid::text, q.id::text, q.rule, q.selector, q.tag) ORDER BY q.xid, q.id)::text
            FROM (SELECT f.* FROM ${of('feed')} AS f
                   WHERE (f.xid, f.id) > ($1::xid8, $2::bigint) AND ${isNew}
                   ORDER BY f.xid, f.id LIMIT $3::int) AS q) AS rows
    FROM ${of('feed_state')} AS st`

type RowText = readonly [xid: string, id: string, rule: string, selector: string | null, tag: string | null]

/** Where the first page begins: with the rows of the transaction `xmin`. */
const before = (xmin: bigint | number): PageStart => ({ xid: String(xmin), id: '-1' })

abstract class TableSource implements FeedSource {
  abstract readonly kind: FeedIdentity['source']
  protected readonly schema: SchemaName
  readonly #read: string
  readonly #identity: string

  constructor(schema: SchemaName, isNew: string) {
    this.schema = schema
    this.#read = readSql(schema, isNew)
    this.#identity = identitySql(schema)
  }

  async identify(connection: Connection): Promise<FeedIdentity> {
    const [row] = await connection.query(this.#identity).catch((thrown: unknown) => {
      throw noFeed(thrown, this.schema)
    })
    if (row === undefined) throw lacks(`The table ${this.schema.of('feed_state')} is empty. Install the schema again.`)
    const { system, timeline, database, epoch, boot, is_standby } = row
    return {
      system: system ?? '',
      timeline: timeline ?? '',
      database: database ?? '',
      epoch: epoch ?? '',
      boot: boot ?? '',
      source: is_standby === 'true' ? 'standby' : 'primary',
    }
  }

  abstract end(connection: Connection): Promise<Cursor>
  abstract read(connection: Connection, cursor: Cursor, limit: number, after?: PageStart): Promise<FeedPage>

  /** `more`: the values of `isNew`. */
  protected async page(
    connection: Connection,
    limit: number,
    { xid, id }: PageStart,
    ...more: string[]
  ): Promise<FeedPage> {
    const values = [xid, id, limit, ...more]
    const [first] = await connection.queryOften('pagekeep_feed', this.#read, values).catch((thrown: unknown) => {
      throw noFeed(thrown, this.schema)
    })
    if (first === undefined)
      throw lacks(`The table ${this.schema.of('feed_state')} is empty. Install the schema again.`)
    const texts: readonly RowText[] = JSON.parse(first.rows ?? '[]')
    const rows = texts.map(([xid, id, rule, selector, tag]): FeedRow => ({ xid, id, rule, selector, tag }))
    const last = rows.at(-1)
    return {
      rows,
      ...(last !== undefined && rows.length >= limit && { next: { xid: last.xid, id: last.id } }),
      cursor: { snapshot: first.snapshot ?? '', lowWater: first.low_water ?? '0' },
      epoch: first.epoch ?? '',
      source: first.is_standby === 'true' ? 'standby' : 'primary',
      notifies: first.notifies === 'true',
      leaseUntilMs: Number(first.lease),
      serverNowMs: Number(first.now_ms),
      askedAt: first.asked_at ?? '',
    }
  }
}

/** On a primary: the rows that the last snapshot did not show. */
export class SnapshotSource extends TableSource {
  readonly kind = 'primary'

  constructor(schema: SchemaName) {
    super(schema, 'NOT pg_visible_in_snapshot(f.xid, $4::pg_snapshot)')
  }

  async end(connection: Connection): Promise<Cursor> {
    const { cursor } = await this.page(connection, 0, before(0), '1:1:')
    return cursor
  }

  read(connection: Connection, cursor: Cursor, limit: number, after?: PageStart): Promise<FeedPage> {
    return this.page(connection, limit, after ?? before(parseSnapshot(cursor.snapshot).xmin), cursor.snapshot)
  }
}

/**
 * On a hot standby: the rows from the oldest open transaction on, less those seen before. While a transaction
 * of the primary is open for long, each poll reads all rows since it began.
 */
export class XminSource extends TableSource {
  readonly kind = 'standby'
  readonly #seen = new Map<string, bigint>()

  constructor(schema: SchemaName) {
    super(schema, 'true')
  }

  async end(connection: Connection): Promise<Cursor> {
    const lsn = await replayed(connection)
    const { cursor } = await this.page(connection, 0, before(0))
    return { ...cursor, lsn }
  }

  async read(connection: Connection, cursor: Cursor, limit: number, after?: PageStart): Promise<FeedPage> {
    const { xmin } = parseSnapshot(cursor.snapshot)
    if (after === undefined) this.#forgetBefore(xmin)
    // A commit is visible before the position moves past it: read before the snapshot, it is not beyond it.
    const lsn = await replayed(connection)
    const page = await this.page(connection, limit, after ?? before(xmin))
    const rows = page.rows.filter(({ xid, id }) => !this.#seen.has(`${xid}.${id}`))
    for (const { xid, id } of rows) this.#seen.set(`${xid}.${id}`, BigInt(xid))
    return { ...page, rows, cursor: { ...page.cursor, lsn } }
  }

  #forgetBefore(xmin: bigint): void {
    for (const [name, xid] of this.#seen) if (xid < xmin) this.#seen.delete(name)
  }
}

async function replayed(connection: Connection): Promise<string> {
  const [row] = await connection.query('SELECT pg_last_wal_replay_lsn()::text AS lsn')
  return row?.lsn ?? '0/0'
}

function noFeed(thrown: unknown, schema: SchemaName): unknown {
  const error = statementFailure(thrown, `reading the feed in the schema ${schema.sql}`)
  if (error.code !== 'database-lacks' || /permission denied/.test(error.message)) return error
  const how = 'Bring it there by `pagekeep install`, or new FeedSchema({ rules, schema }).install(connection).'
  return lacks(`${error.message} ${how}`, error.cause)
}
