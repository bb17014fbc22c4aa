/**
 * Whether a table of the application's is there, with its columns and our rights on it, said before the
 * first statement needs it: what is missing, where it was looked for, and the statement that mends it.
 */
import pg from 'pg'
import type { Connection } from './connection.js'
import { codeOf, lacks } from './database-errors.js'
import { didYouMean } from './nearest-name.js'
import type { TableName } from './table-name.js'

export type Right = 'SELECT' | 'DELETE'

export interface Expected {
  readonly table: TableName
  readonly columns: readonly string[]
  readonly rights: readonly Right[]
  /** What else could be done when the table is missing. */
  readonly hint?: string
}

export interface ExistingTable {
  readonly oid: number
  /** An ordinary table, so that `ctid` names a row; a partitioned one has a `ctid` in each part. */
  readonly isPlain: boolean
  /** Whether rows may be locked, which needs the right to UPDATE. */
  readonly canLockRows: boolean
  /** The columns, quoted. */
  readonly columns: ReadonlyMap<string, string>
}

/** Throws `database-lacks`. */
export async function checkTable(connection: Connection, expected: Expected): Promise<ExistingTable> {
  const { table, columns, rights, hint = '' } = expected
  const [found] = await connection
    .query('SELECT c.oid::text AS oid, c.relkind::text AS kind FROM pg_class AS c WHERE c.oid = to_regclass($1)::oid', [
      table.sql,
    ])
    .catch((thrown: unknown) => {
      if (codeOf(thrown) !== '42501') throw thrown
      const schema = table.sql.slice(0, -pg.escapeIdentifier(table.name).length - 1)
      throw lacks(
        `The schema of ${table.written} may not be used. Run: GRANT USAGE ON SCHEMA ${schema} TO ${role(connection)};`,
        thrown,
      )
    })
  if (found === undefined) throw await missingTable(connection, table, hint)
  if (found.kind !== 'r' && found.kind !== 'p') throw lacks(`${table.written} is not a table.`)
  await checkColumns(connection, table, found.oid ?? '', columns)
  await checkRights(connection, table, found.oid ?? '', columns, rights)
  const [update] = await connection.query("SELECT has_any_column_privilege($1::oid, 'UPDATE')::text AS may", [
    found.oid,
  ])
  return {
    oid: Number(found.oid),
    isPlain: found.kind === 'r',
    canLockRows: update?.may === 'true',
    columns: new Map(columns.map((name) => [name, pg.escapeIdentifier(name)])),
  }
}

async function missingTable(connection: Connection, table: TableName, hint: string): Promise<Error> {
  const [path] = await connection.query(
    "SELECT current_setting('search_path') AS path, current_database()::text AS database",
  )
  const elsewhere = await connection.query(
    `SELECT n.nspname::text AS schema FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1`,
    [table.name],
  )
  const found = elsewhere.map(({ schema }) => `"${schema}.${table.name}"`).join(', ')
  return lacks(
    `There is no table "${table.written}" in the database "${path?.database}" (search_path: ${path?.path}).` +
      `${found === '' ? '' : ` There is ${found}: write the schema, or set the search_path of the role.`}${hint}`,
  )
}

async function checkColumns(
  connection: Connection,
  table: TableName,
  oid: string,
  columns: readonly string[],
): Promise<void> {
  const rows = await connection.query(
    'SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped',
    [oid],
  )
  const names = rows.map(({ name }) => name ?? '')
  const missing = columns.find((column) => !names.includes(column))
  if (missing === undefined) return
  throw lacks(
    `The table ${table.written} has no column "${missing}"${didYouMean(missing, names)}. It has ${names.join(', ')}.`,
  )
}

async function checkRights(
  connection: Connection,
  table: TableName,
  oid: string,
  columns: readonly string[],
  rights: readonly Right[],
): Promise<void> {
  const [granted] = await connection.query(
    `SELECT (SELECT bool_and(has_column_privilege($1::oid, name, 'SELECT')) FROM unnest($2::text[]) AS name)::text AS "SELECT",
            has_table_privilege($1::oid, 'DELETE')::text AS "DELETE"`,
    [oid, columns],
  )
  const missing = rights.filter((right) => granted?.[right] !== 'true')
  if (missing.length === 0) return
  throw lacks(
    `The role "${connection.place.user}" lacks ${missing.join(' and ')} on ${table.written}. ` +
      `Run: GRANT ${missing.join(', ')} ON ${table.sql} TO ${role(connection)};`,
  )
}

function role(connection: Connection): string {
  return pg.escapeIdentifier(connection.place.user ?? '')
}
