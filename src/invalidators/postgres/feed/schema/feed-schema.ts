/**
 * The feed's schema: what must stand in the database so that each committed change reaches every node.
 *
 * It is installed by `install()`, or printed by `sql()` for those who run their own migrations; both are
 * the same statements, and each can be run again at any time. Why it is built so: decision 0013.
 */
import { reasonOf } from '../../../../core/errors.js'
import type { FeedRule } from '../watch.js'
import { inTransaction, type SchemaConnection, withStatements } from './borrowed-client.js'
import { migrationStatements } from './migrations.js'
import { readSchemaName, type SchemaName } from './quoting.js'
import { type FeedRoles, roleSql } from './role-sql.js'
import { installTriggersSql, removeOtherTriggersSql, type TableTriggers, tableTriggers } from './triggers.js'

export interface FeedSchemaOptions {
  /** All rules of this schema, made by `watch()` and `bridge()`. Triggers of rules that are not among them are removed. */
  readonly rules?: readonly FeedRule[]
  /** The schema that everything lies in, and the channel of its NOTIFY. Default `pagekeep`. */
  readonly schema?: string
  /**
   * Whether writers NOTIFY when nobody polls. Default `true`. `false` for sites with two-phase commit, whose
   * PREPARE TRANSACTION fails after a NOTIFY; listeners then poll, and evictions take as long as that.
   */
  readonly notify?: boolean
}

export interface InstallOptions {
  /** How long to wait for a lock, in milliseconds, while writers queue behind. Default 5,000. */
  readonly lockTimeoutMs?: number
  /** Told each step before it is done. */
  readonly onProgress?: (message: string) => void
}

/**
 * The schema with its triggers. Throws a `TypeError` for options that cannot be.
 *
 * @example
 * const list = route('days/{date:YYYY-MM-DD}.html')
 * const queued = watch({
 *   table: 'cache_clearing_dates',
 *   columns: ['date_to_clear'],
 *   evicts: [evictRoute(list, { date: 'date_to_clear' })],
 * })
 * const schema = new FeedSchema({ rules: [queued], schema: 'feed_of_days' })
 * await schema.install(connection)
 * schema.sql().includes('CREATE TABLE "feed_of_days"."feed"') // => true
 * await schema.uninstall(connection)
 */
export class FeedSchema {
  readonly #schema: SchemaName
  readonly #notify: boolean
  readonly #tables: readonly TableTriggers[]

  constructor(options: FeedSchemaOptions = {}) {
    const { schema = 'pagekeep', notify = true, rules = [] } = options
    if (typeof notify !== 'boolean') throw new TypeError(`Expected notify to be true or false, got ${String(notify)}`)
    this.#schema = readSchemaName(schema)
    this.#notify = notify
    this.#tables = tableTriggers(this.#schema, readRules(rules))
  }

  /** Everything as SQL: statements that can be run together or one by one, again and again. */
  sql(): string {
    return `${this.#steps()
      .map(({ title, sql }) => `-- ${title}\n${sql}`)
      .join('\n\n')}\n`
  }

  /**
   * Brings the database to what `sql()` says; what is there already is left alone, without a lock on any table.
   * Rejects with `table-locked`, `database-lacks`, `database-refused` or `database-unreachable`.
   */
  async install(connection: SchemaConnection, options: InstallOptions = {}): Promise<void> {
    const { onProgress = () => {} } = options
    const lockTimeoutMs = readLockTimeout(options)
    await withStatements(connection, async (statements) => {
      for (const { title, sql } of this.#steps()) {
        tell(onProgress, title)
        await inTransaction(statements, sql, lockTimeoutMs, title)
      }
    })
  }

  /** Removes the schema, its triggers, and all that was in it. Rejects as `install` does. */
  async uninstall(connection: SchemaConnection, options: InstallOptions = {}): Promise<void> {
    const { onProgress = () => {} } = options
    const title = `removing the schema ${this.#schema.sql}`
    tell(onProgress, title)
    await withStatements(connection, (statements) =>
      inTransaction(statements, `DROP SCHEMA IF EXISTS ${this.#schema.sql} CASCADE`, readLockTimeout(options), title),
    )
  }

  /** The rights of a role that listens (and those of one that writes: none), to be run by the schema's owner. */
  roleSql(roles: FeedRoles): string {
    return roleSql(this.#schema, roles)
  }

  #steps(): { title: string; sql: string }[] {
    const { sql } = this.#schema
    return [
      ...migrationStatements(this.#schema).map((statement, index) => ({
        title: index === 0 ? `preparing the schema ${sql}` : `migration ${index} of the schema ${sql}`,
        sql: statement,
      })),
      {
        title: `setting notify of the schema ${sql}`,
        sql: `UPDATE ${this.#schema.of('feed_state')} SET notify = ${this.#notify} WHERE notify <> ${this.#notify};`,
      },
      ...this.#tables.map((table) => ({
        title: `triggers on ${table.table.written}`,
        sql: installTriggersSql(this.#schema, table),
      })),
      { title: 'removing triggers of rules that are gone', sql: removeOtherTriggersSql(this.#schema, this.#tables) },
    ]
  }
}

function readRules(rules: readonly FeedRule[]): readonly FeedRule[] {
  const isRule = (rule: unknown): boolean =>
    typeof rule === 'object' && rule !== null && 'evicts' in rule && 'kind' in rule
  if (Array.isArray(rules) && rules.every(isRule)) return rules
  throw new TypeError('Expected rules to be a list of what watch() and bridge() made')
}

function readLockTimeout({ lockTimeoutMs = 5_000 }: InstallOptions): number {
  if (Number.isSafeInteger(lockTimeoutMs) && lockTimeoutMs > 0) return lockTimeoutMs
  throw new TypeError(`Expected lockTimeoutMs to be a positive integer, got ${String(lockTimeoutMs)}`)
}

function tell(onProgress: (message: string) => void, message: string): void {
  try {
    onProgress(message)
  } catch (thrown) {
    process.emitWarning(`onProgress failed: ${reasonOf(thrown)}`)
  }
}
