/**
 * The table that says which channels there are (`listen_for(name, script_name)`), held against the rules.
 *
 * Neither may know a channel that the other does not: a rule without a row would never be woken, a row
 * without a rule is a change that clears nothing. Both are said at start, by name.
 */
import { PagekeepError } from '../../core/errors.js'
import type { Connection } from './connection.js'
import { checkTable } from './existing-table.js'
import { didYouMean } from './nearest-name.js'
import { readTableName, type TableName } from './table-name.js'

export interface ListenForOptions {
  /** Default `'listen_for'`. */
  readonly table?: string
  /** The column with the channels' names. Default `'name'`. */
  readonly column?: string
}

/** Where the channels' names are; `undefined`: the rules alone say them. */
export interface ListenFor {
  readonly table: TableName
  readonly column: string
}

export function readListenFor(options: ListenForOptions | false = {}): ListenFor | undefined {
  if (options === false) return undefined
  const { table = 'listen_for', column = 'name' } = options
  return { table: readTableName(table), column }
}

/** Reads the table and holds it against `channels`. Throws `channel-unknown` or `database-lacks`. */
export async function checkChannels(
  connection: Connection,
  listenFor: ListenFor,
  channels: readonly string[],
): Promise<void> {
  const { table, column } = listenFor
  const hint = ' Pass listenFor: false if the rules alone shall say which channels there are.'
  const { columns } = await checkTable(connection, { table, columns: [column], rights: ['SELECT'], hint })
  const rows = await connection.query(`SELECT ${columns.get(column)}::text AS name FROM ${table.sql}`)
  const listed = rows.flatMap(({ name }) => (typeof name === 'string' ? [name] : []))
  const without = listed.filter((name) => !channels.includes(name))
  const unlisted = channels.filter((name) => !listed.includes(name))
  if (without.length === 0 && unlisted.length === 0) return

  const problems = [
    ...without.map(
      (name) => `${table.written} has the channel "${name}", for which there is no rule${didYouMean(name, unlisted)}`,
    ),
    ...unlisted.map(
      (name) =>
        `there is a rule for the channel "${name}", which ${table.written} does not have${didYouMean(name, without)}`,
    ),
  ]
  throw new PagekeepError(
    'channel-unknown',
    `The channels do not agree: ${problems.join('; ')}. ${table.written} has ${list(listed)}; the rules have ${list(channels)}. ` +
      'Add the rule (evict: () => [] evicts nothing) or the row.',
  )
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : [...new Set(names)].sort().join(', ')
}
