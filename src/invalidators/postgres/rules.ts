/**
 * Rules: which channel, and which rows of which queue table, evict what.
 *
 * A rule answers with what routes make (`route.pattern()`) and with tags, never with a text: a misspelt
 * directory cannot be written down here, since the application keeps its pages by the same routes.
 */
import { type PagekeepError, reasonOf } from '../../core/errors.js'
import { RoutePattern } from '../../core/route.js'
import { parseSelector } from '../../core/selector.js'
import { ruleFailed } from './database-errors.js'
import { type PlainSelector, SelectorSet } from './selector-set.js'
import { readTableName, type TableName } from './table-name.js'

/** What a rule evicts: patterns made by routes, tags, or lists of them. An empty list evicts nothing. */
export type Evictable = RoutePattern | { readonly tag: string } | readonly Evictable[]

/**
 * A row of a queue: the named columns, each as PostgreSQL casts it to text: `2020-01-08`, `true`, `42`. A
 * `date` is that day and no other; a `timestamptz` is written in the time zone that the role or database has.
 */
export type QueueRow<Column extends string, Nullable extends string> = {
  readonly [Name in Column]: string
} & { readonly [Name in Nullable]: string | null }

/** A table whose rows say what to evict, and go when that is done. */
export interface QueueOptions<Column extends string, Nullable extends string> {
  /** `queue` or `schema.queue`, as it is written in the catalog; quote a part that has a dot. */
  readonly table: string
  /** The columns that `evict` reads. A row that has NULL in one of them is set aside. */
  readonly columns: readonly Column[]
  /** Columns that may be NULL. Default: none. */
  readonly nullableColumns?: readonly Nullable[]
  /** What rows are ordered and named by; any type that can be ordered. Default `'id'`. */
  readonly id?: string
}

export interface QueueRuleOptions<Column extends string, Nullable extends string> {
  /** The channel whose NOTIFY says that there are rows; case counts. */
  readonly channel: string
  readonly queue: QueueOptions<Column, Nullable>
  /** What a row evicts. A row for which it throws is set aside and tried again. */
  evict(row: QueueRow<Column, Nullable>): Evictable
}

export interface ChannelRuleOptions {
  /** The channel whose NOTIFY says it all; case counts. */
  readonly channel: string
  readonly queue?: undefined
  /** What a NOTIFY evicts; also done on each connection, since one may have been missed. */
  evict(): Evictable
}

/** A row as it is read: columns by name, all of them text. */
export type TextRow = Readonly<Record<string, string | null>>

export interface QueueDefinition {
  readonly table: TableName
  readonly columns: readonly string[]
  readonly nullableColumns: readonly string[]
  readonly id: string
}

/** What `rule()` makes. */
export class Rule {
  readonly channel: string
  readonly queue: QueueDefinition | undefined
  readonly #evict: (row: TextRow) => Evictable

  constructor(channel: string, queue: QueueDefinition | undefined, evict: (row: TextRow) => Evictable) {
    this.channel = channel
    this.queue = queue
    this.#evict = evict
    Object.freeze(this)
  }

  /** What `row` evicts, checked. Throws `rule-failed`. */
  selectorsOf(row: TextRow, id?: string): SelectorSet {
    const missing = this.queue?.columns.find((column) => (row[column] ?? null) === null)
    if (missing !== undefined) throw this.#failed(`its column "${missing}" is NULL; delete or mend the row`, id)
    try {
      const selectors = new SelectorSet()
      collect(this.#evict(row), selectors)
      return selectors
    } catch (thrown) {
      throw this.#failed(reasonOf(thrown), id, thrown)
    }
  }

  #failed(reason: string, id: string | undefined, cause?: unknown): PagekeepError {
    const subject = this.queue === undefined ? '' : ` cannot apply the row ${id ?? '?'} of ${this.queue.table.written}`
    return ruleFailed(`The rule of the channel "${this.channel}"${subject}: ${reason}.`, cause)
  }
}

/**
 * Makes a rule. Throws a `TypeError` for what cannot be one.
 *
 * @example
 * rule({
 *   channel: 'date_updated',
 *   queue: { table: 'cache_clearing_dates', columns: ['date_to_clear'] },
 *   evict: (row) => day.pattern({ date: row.date_to_clear }),
 * })
 */
export function rule<const Column extends string, const Nullable extends string = never>(
  options: QueueRuleOptions<Column, Nullable>,
): Rule
export function rule(options: ChannelRuleOptions): Rule
export function rule(options: ChannelRuleOptions | QueueRuleOptions<string, string>): Rule {
  const { channel, queue, evict } = options
  if (typeof channel !== 'string' || channel === '' || Buffer.byteLength(channel) > 63) {
    throw new TypeError(`Expected channel to be a name of 1 to 63 bytes, got ${JSON.stringify(channel)}`)
  }
  if (typeof evict !== 'function') {
    throw new TypeError(`Expected evict of the channel "${channel}" to be a function, got ${typeof evict}`)
  }
  return new Rule(channel, queue && readQueue(queue), evict as (row: TextRow) => Evictable)
}

function readQueue(queue: QueueOptions<string, string>): QueueDefinition {
  const { columns, nullableColumns = [], id = 'id' } = queue
  const table = readTableName(queue.table)
  const names: unknown[] = [id, ...columns, ...nullableColumns]
  if (columns.length + nullableColumns.length === 0 || names.some((name) => typeof name !== 'string' || name === '')) {
    throw new TypeError(`Expected columns of ${table.written} to be a list of names, got ${JSON.stringify(columns)}`)
  }
  return { table, columns, nullableColumns, id }
}

function collect(answer: unknown, into: SelectorSet): void {
  if (Array.isArray(answer)) {
    for (const one of answer) collect(one, into)
  } else {
    const selector = plain(answer)
    parseSelector(selector)
    into.add(selector)
  }
}

function plain(answer: unknown): PlainSelector {
  if (isRoutePattern(answer)) return answer.pattern
  if (typeof answer === 'object' && answer !== null && 'tag' in answer && !('then' in answer)) {
    return { tag: answer.tag as string }
  }
  throw new TypeError(
    `expected evict to answer with route.pattern(...), { tag } or a list of them, got ${describe(answer)}`,
  )
}

/** By name as well: the application's route may come from the other of the ESM and CJS builds. */
function isRoutePattern(value: unknown): value is RoutePattern {
  if (value instanceof RoutePattern) return true
  return typeof value === 'object' && value !== null && value.constructor?.name === 'RoutePattern' && 'pattern' in value
}

function describe(answer: unknown): string {
  if (typeof answer === 'string')
    return `the text ${JSON.stringify(answer)} (routes make patterns, texts may be misspelt)`
  if (typeof answer !== 'object' || answer === null) return String(answer)
  return 'then' in answer ? 'a promise (evict must answer at once)' : `an object with ${Object.keys(answer).join(', ')}`
}
