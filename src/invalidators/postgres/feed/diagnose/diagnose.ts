/**
 * Looks at a database and says what is well and what is not: whether every change will reach every node,
 * and if not, what to do. Changes nothing.
 */
import { defaultRetentionMs } from '../janitor.js'
import { type SchemaConnection, type Statements, withStatements } from '../schema/borrowed-client.js'
import { readSchemaName, type SchemaName } from '../schema/quoting.js'
import { type TableTriggers, tableTriggers } from '../schema/triggers.js'
import type { FeedRule } from '../watch.js'
import { checkFeed, checkVersion, isInstalled, notInstalled } from './check-feed.js'
import { checkRoutes, checkRules, checkTables } from './check-rules.js'
import type { Finding } from './finding.js'

export interface DiagnoseOptions {
  /** All rules of the schema, as they are given to `FeedSchema`. */
  readonly rules: readonly FeedRule[]
  /** Default `pagekeep`. */
  readonly schema?: string
  /** Every route that pages are kept by. With them, a rule that evicts a route which is none of these is a `fail`. */
  readonly routes?: readonly { readonly template: string; readonly letterCase?: string }[]
  /** How long rows of the feed are to stay, in milliseconds. Default: a day. */
  readonly retentionMs?: number
}

/**
 * What was found, failures first. Rejects only when the database cannot be asked: `database-unreachable`,
 * `database-refused`, or `database-lacks` for a role that may not read the schema.
 *
 * @example
 * await new FeedSchema({ schema: 'diagnosed' }).install(connection)
 * const findings = await diagnose(connection, { rules: [], schema: 'diagnosed' })
 * findings.filter(({ level }) => level === 'fail') // => []
 */
export async function diagnose(connection: SchemaConnection, options: DiagnoseOptions): Promise<Finding[]> {
  const { rules, routes, retentionMs = defaultRetentionMs } = options
  const schema = readSchemaName(options.schema ?? 'pagekeep')
  const tables = tableTriggers(schema, rules)
  return withStatements(connection, async (statements) => {
    const found = (await isInstalled(statements, schema))
      ? await checkInstalled(statements, schema, tables, retentionMs)
      : [notInstalled(schema), ...(await checkTables(statements, tables))]
    const findings = [...found, ...(routes === undefined ? [] : checkRoutes(tables, routes))]
    return findings.sort((a, b) => rank[a.level] - rank[b.level])
  })
}

async function checkInstalled(
  statements: Statements,
  schema: SchemaName,
  tables: readonly TableTriggers[],
  retentionMs: number,
): Promise<Finding[]> {
  const version = await checkVersion(statements, schema)
  const rules = await checkRules(statements, schema, tables)
  const feed = version.level === 'fail' ? [] : await checkFeed(statements, schema, tables, retentionMs)
  return [version, ...rules, ...feed]
}

const rank = { fail: 0, warn: 1, ok: 2 }
