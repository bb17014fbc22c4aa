/**
 * The rights that a feed asks for, as SQL. Those who write to watched tables need none: triggers run with the rights
 * of whoever installed them. Those who listen may read the feed, tell of themselves, keep the lease and call
 * `rotate()`; they see no table of the site's.
 */
import { identifier, type SchemaName } from './quoting.js'

export interface FeedRoles {
  /** The role that the site writes as. It is listed so that the script says that it needs nothing. */
  readonly writer?: string
  /** The role that `FeedInvalidator` connects as. */
  readonly listener?: string
}

/** Throws a `TypeError` for what is not a role's name. */
export function roleSql(schema: SchemaName, { writer, listener }: FeedRoles): string {
  const writerSql =
    writer === undefined
      ? []
      : [`-- ${oneLine(role(writer))} needs nothing: triggers run with the rights of the schema's owner.`]
  if (listener === undefined) return `${writerSql.join('\n')}\n`
  const to = `TO ${role(listener)};`
  return `${[
    ...writerSql,
    `GRANT USAGE ON SCHEMA ${schema.sql} ${to}`,
    `GRANT SELECT ON ${['migration', 'feed_state', 'feed', 'feed_0', 'feed_1', 'feed_2'].map(schema.of).join(', ')} ${to}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema.of('node')} ${to}`,
    `GRANT SELECT ON SEQUENCE ${schema.of('slot')} ${to}`,
    '-- UPDATE is the right to set it.',
    `GRANT SELECT, UPDATE ON SEQUENCE ${schema.of('lease')} ${to}`,
    `GRANT EXECUTE ON FUNCTION ${schema.of('rotate')}(interval) ${to}`,
  ].join('\n')}\n`
}

function role(name: string): string {
  if (typeof name === 'string' && name !== '' && !name.includes('\0')) return identifier(name)
  throw new TypeError(`Expected the name of a role, got ${JSON.stringify(name)}`)
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ')
}
