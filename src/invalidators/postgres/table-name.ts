/**
 * The name of a table as it is written in options: `cache_clearing_ports`, `freshports.cache_clearing_ports`,
 * `"odd.schema"."odd table"`. Taken as written, case and all, and always quoted in SQL.
 */
import pg from 'pg'

export interface TableName {
  /** As it was written, for messages. */
  readonly written: string
  /** Quoted, for SQL. */
  readonly sql: string
  /** The last part, without quotes. */
  readonly name: string
}

const part = /(?:"((?:[^"]|"")+)"|([^".]+))/.source
const shape = new RegExp(`^(?:${part}\\.)?${part}$`)

/** Throws a `TypeError` for what is not a table's name. */
export function readTableName(written: string): TableName {
  const found = typeof written === 'string' ? shape.exec(written) : null
  if (found === null) {
    throw new TypeError(`Expected a table's name such as "queue" or "schema.queue", got ${JSON.stringify(written)}`)
  }
  const schema = found[1]?.replaceAll('""', '"') ?? found[2]
  const name = found[3]?.replaceAll('""', '"') ?? found[4] ?? ''
  const parts = schema === undefined ? [name] : [schema, name]
  return { written, name, sql: parts.map((text) => pg.escapeIdentifier(text)).join('.') }
}
