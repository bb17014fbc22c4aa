/**
 * Names and texts as they are written into SQL: the schema's objects, literals, and bodies between
 * dollars. Every name is quoted; none is folded.
 */
import pg from 'pg'

export const identifier = (name: string): string => pg.escapeIdentifier(name)
export const literal = (text: string): string => pg.escapeLiteral(text)

/** What a schema's objects are called in SQL: `inSchema('feed')` is `"pagekeep"."feed"`. */
export interface SchemaName {
  /** As it was given; also the channel of its NOTIFY. */
  readonly name: string
  /** Quoted. */
  readonly sql: string
  /** The quoted name of one of its objects. */
  of(object: string): string
  /** The same as a literal, for `regclass` and messages. */
  literalOf(object: string): string
}

/** Throws a `TypeError` for what cannot be the name of a schema and of a channel. */
export function readSchemaName(name: string): SchemaName {
  const isUsable = typeof name === 'string' && name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= 63
  if (!isUsable || name.startsWith('pg_')) {
    throw new TypeError(
      `Expected schema to be a name of 1 to 63 bytes that does not start with "pg_", got ${JSON.stringify(name)}`,
    )
  }
  const sql = identifier(name)
  const of = (object: string) => `${sql}.${identifier(object)}`
  return { name, sql, of, literalOf: (object) => literal(of(object)) }
}

/** `text` between dollar quotes that do not occur in it. */
export function dollarQuoted(text: string, tag = 'pagekeep'): string {
  let unused = tag
  while (text.includes(`$${unused}$`)) unused += '_'
  return `$${unused}$${text}$${unused}$`
}

/** One statement that runs PL/pgSQL: atomic by itself, inside a transaction or outside. */
export function doBlock(body: string, declarations = ''): string {
  const declare = declarations === '' ? '' : `DECLARE\n${declarations}\n`
  return `DO ${dollarQuoted(`\n${declare}BEGIN\n${body}\nEND\n`, 'pagekeep_do')};`
}
