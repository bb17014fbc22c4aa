/**
 * The SQL of one queue table. Taking rows *deletes* them, in a transaction that its caller commits: a
 * writer whose ON CONFLICT meets a row being taken then waits, and adds its own (a mere lock on the row
 * would let it pass: it would add nothing, and its change would be lost).
 */
import type { Connection } from './connection.js'
import { checkTable, type ExistingTable } from './existing-table.js'
import type { QueueDefinition, TextRow } from './rules.js'

/** Which rows to take: the first `limit`, but not those in `except`; or only those in `only`. */
export type Selection =
  | { readonly except: readonly string[]; readonly limit: number }
  | { readonly only: readonly string[] }

export interface TakenRow {
  readonly id: string
  /** Which version of the row it was (its `xmin`). */
  readonly version: string
  readonly row: TextRow
}

export class QueueTable {
  readonly definition: QueueDefinition
  readonly oid: number
  readonly #sql: { take: string; takeOnly: string; remove: string; count: string; hasMore: string }

  /** Throws `database-lacks` for a table, column or right that is missing. */
  static async open(connection: Connection, definition: QueueDefinition): Promise<QueueTable> {
    const { table, columns, nullableColumns, id } = definition
    const needed = [...new Set([id, ...columns, ...nullableColumns])]
    const existing = await checkTable(connection, { table, columns: needed, rights: ['SELECT', 'DELETE'] })
    return new QueueTable(definition, existing)
  }

  private constructor(definition: QueueDefinition, existing: ExistingTable) {
    this.definition = definition
    this.oid = existing.oid
    this.#sql = statementsFor(definition, existing)
  }

  /** Deletes rows and answers what they were. The caller's transaction decides whether they are gone. */
  async take(connection: Connection, selection: Selection): Promise<TakenRow[]> {
    const rows =
      'only' in selection
        ? await connection.query(this.#sql.takeOnly, [selection.only])
        : await connection.query(this.#sql.take, [selection.except, selection.limit])
    return rows.map((row) => this.#read(row))
  }

  /** Deletes those of `rows` that have not changed since they were read. */
  async remove(connection: Connection, rows: readonly TakenRow[]): Promise<void> {
    await connection.query(this.#sql.remove, [rows.map(({ id }) => id), rows.map(({ version }) => version)])
  }

  /** How many rows wait; counts up to 100,000. */
  async count(connection: Connection): Promise<number> {
    const [row] = await connection.query(this.#sql.count)
    return Number(row?.count)
  }

  /** Whether rows wait that are not in `except`: others may have them locked. */
  async hasMore(connection: Connection, except: readonly string[]): Promise<boolean> {
    const [row] = await connection.query(this.#sql.hasMore, [except])
    return row?.more === 'true'
  }

  #read(row: TextRow): TakenRow {
    const names = [...this.definition.columns, ...this.definition.nullableColumns]
    const named = Object.fromEntries(names.map((name, index) => [name, row[`c${index}`] ?? null]))
    return { id: row.id ?? '', version: row.version ?? '', row: named }
  }
}

function statementsFor({ table, columns, nullableColumns, id }: QueueDefinition, existing: ExistingTable) {
  const quoted = (name: string) => `q.${existing.columns.get(name)}`
  const queue = `${table.sql} AS q`
  const idText = `coalesce(${quoted(id)}::text, '')`
  const values = [...columns, ...nullableColumns].map((name, index) => `${quoted(name)}::text AS c${index}`)
  const returning = `RETURNING ${idText} AS id, q.xmin::text AS version, ${values.join(', ')}`
  const place = existing.isPlain ? 'q.ctid' : quoted(id)
  // FOR UPDATE needs the right to UPDATE. Without it a row that a writer has locked is waited for, up to lock_timeout.
  const lock = existing.canLockRows ? 'FOR UPDATE SKIP LOCKED' : ''
  // ARRAY(...) is evaluated once; as a join the inner LIMIT could be evaluated again, and take more.
  const take = (which: string) =>
    `DELETE FROM ${queue} WHERE ${place} = ANY (ARRAY(SELECT ${place} FROM ${queue} WHERE ${which} ${lock})) ${returning}`
  return {
    take: take(`NOT (${idText} = ANY ($1::text[])) ORDER BY ${quoted(id)} LIMIT $2`),
    takeOnly: take(`${idText} = ANY ($1::text[])`),
    remove: `DELETE FROM ${queue} USING unnest($1::text[], $2::text[]) AS done(id, version)
              WHERE ${idText} = done.id AND q.xmin::text = done.version`,
    count: `SELECT count(*)::text AS count FROM (SELECT 1 FROM ${queue} LIMIT 100000) AS waiting`,
    hasMore: `SELECT EXISTS (SELECT 1 FROM ${queue} WHERE NOT (${idText} = ANY ($1::text[])))::text AS more`,
  }
}
