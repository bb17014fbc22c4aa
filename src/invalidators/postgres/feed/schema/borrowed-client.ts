/**
 * A connection for work on the schema: one that the caller has, or one made for the occasion and ended
 * after it. Errors say what was being done and what to do; each piece of work is a transaction.
 */
import pg from 'pg'
import { isPagekeepError, PagekeepError, reasonOf } from '../../../../core/errors.js'
import { readConnection } from '../../checked-options.js'
import { codeOf, connectFailure, lacks } from '../../database-errors.js'

/** How to connect (`postgres://…`, or what `pg.Client` takes), or a connected client, which stays open. */
export type SchemaConnection = string | pg.ClientConfig | pg.ClientBase

/** A row with every value as text. */
export type TextRow = Readonly<Record<string, string | null>>

/** Statements on one connection, values as text whatever parsers the application registered. */
export interface Statements {
  /** Rejects with a `PagekeepError`; `doing` is for its message: `installing "x"`. */
  query(sql: string, values: readonly unknown[], doing: string): Promise<TextRow[]>
}

const textOnly = { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig

/** Calls `work` with a connected client; ends the connection if it was made here. */
export async function withClient<T>(
  connection: SchemaConnection,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  if (isClient(connection)) return work(connection)
  const client = new pg.Client(readConnection(connection))
  client.on('error', () => {})
  const { host, port, database, user } = client
  try {
    await client.connect()
  } catch (thrown) {
    throw connectFailure(thrown, { host, port, database, user })
  }
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

export function withStatements<T>(
  connection: SchemaConnection,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  return withClient(connection, (client) => work(statementsOf(client)))
}

/** Runs `sql` in a transaction of its own, in READ COMMITTED; locks are waited for `lockTimeoutMs` at most. */
export async function inTransaction(
  statements: Statements,
  sql: string,
  lockTimeoutMs: number,
  doing: string,
): Promise<void> {
  await statements.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE', [], doing)
  try {
    await statements.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`, [], doing)
    await statements.query(sql, [], doing)
    await statements.query('COMMIT', [], doing)
  } catch (error) {
    await statements.query('ROLLBACK', [], doing).catch(() => {})
    throw error
  }
}

function isClient(connection: SchemaConnection): connection is pg.ClientBase {
  return typeof connection === 'object' && typeof (connection as Partial<pg.ClientBase>).query === 'function'
}

function statementsOf(client: pg.ClientBase): Statements {
  return {
    async query(text, values, doing) {
      try {
        const result = await client.query<Record<string, string | null>>({ text, values: [...values], types: textOnly })
        return result.rows
      } catch (thrown) {
        throw failure(thrown, doing)
      }
    },
  }
}

function failure(thrown: unknown, doing: string): PagekeepError {
  if (isPagekeepError(thrown)) return thrown
  const code = codeOf(thrown)
  const hint =
    typeof thrown === 'object' && thrown !== null && 'hint' in thrown ? ` ${thrown.hint ?? ''}`.trimEnd() : ''
  const state = code === '' ? '' : ` (SQLSTATE ${code})`
  const message = `PostgreSQL failed while ${doing}: ${reasonOf(thrown)}${state}.${hint}`
  if (code === '55P03') {
    return new PagekeepError(
      'table-locked',
      `${message} A transaction holds a lock that is needed and was waited for in vain; nothing was changed in this step. ` +
        'Look for long transactions in pg_stat_activity, and try again, perhaps with a longer lockTimeoutMs.',
      { cause: thrown },
    )
  }
  if (code === '42501')
    return lacks(`${message} Do it as the owner of the tables, with the right CREATE on the database.`, thrown)
  if (code === '' || /^(08|57P)/.test(code) || !/^[0-9A-Z]{5}$/.test(code)) {
    return new PagekeepError('database-unreachable', message, { cause: thrown })
  }
  return lacks(message, thrown)
}
