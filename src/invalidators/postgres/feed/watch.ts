/**
 * Rules of the feed: which changes of which table evict what, and which inserts into an existing queue do.
 *
 * A rule is data: triggers are generated from it, so nothing of the application runs in the database and
 * nothing of the database needs to be remembered by the application.
 */
import { nearestName } from '../nearest-name.js'
import { readTableName, type TableName } from '../table-name.js'
import { checkColumn, columnsOf, type EvictEntry, RouteEntry, TagEntry } from './evict-entry.js'

export interface WatchOptions {
  /** `products` or `shop.products`, as it is written in the catalog; quote a part that has a dot. */
  readonly table: string
  /** The columns that pages show. An UPDATE that changes none of them, and none that `evicts` reads, evicts nothing. */
  readonly columns: readonly string[]
  /** What a row that was inserted, changed or deleted evicts; made by `evictRoute()` and `evictTag()`. */
  readonly evicts: readonly EvictEntry[]
  /**
   * Above so many selectors of one statement an entry of `evicts` becomes its coarsest form: all pages of the
   * route, or the tag's `all`. Default 1,000.
   */
  readonly maxSelectors?: number
}

export interface BridgeOptions {
  /** The queue table, whose rows say what to clear. */
  readonly table: string
  /** What a queued row evicts; made by `evictRoute()` and `evictTag()`. */
  readonly evicts: readonly EvictEntry[]
  /**
   * What becomes of queued rows.
   * - `'delete'` (default): the trigger that copies them removes them, so that a queue that de-duplicates
   *   (`UNIQUE`, `WHERE NOT EXISTS`) always has room for the next. Nobody else sees them any more.
   * - `'keep'`: they stay for a listener that still runs beside and deletes them. Each *attempt* to insert is copied,
   *   also one that `ON CONFLICT` turns away; writers that look first (`WHERE NOT EXISTS`) make no attempt, and
   *   their changes are missed.
   */
  readonly rows?: 'delete' | 'keep'
  /** As in `watch()`. Default 1,000. */
  readonly maxSelectors?: number
}

export interface WatchRule {
  readonly kind: 'watch'
  readonly table: TableName
  /** Every column that is looked at, sorted. */
  readonly columns: readonly string[]
  readonly evicts: readonly EvictEntry[]
  readonly maxSelectors: number
}

export interface BridgeRule {
  readonly kind: 'bridge'
  readonly table: TableName
  readonly columns: readonly string[]
  readonly evicts: readonly EvictEntry[]
  readonly maxSelectors: number
  readonly rows: 'delete' | 'keep'
}

/** What `watch()` and `bridge()` make. */
export type FeedRule = WatchRule | BridgeRule

/**
 * A rule: changes of a table evict pages. Throws a `TypeError` or `RangeError` for what cannot be one.
 *
 * @example
 * const page = route('products/{category}/{name}')
 * const products = watch({
 *   table: 'shop.products',
 *   columns: ['price'],
 *   evicts: [evictRoute(page, { category: 'category', name: 'name' }), evictTag('product:{id}', { all: 'products' })],
 * })
 * products.columns // => ['category', 'id', 'name', 'price']
 */
export function watch(options: WatchOptions): WatchRule {
  checkOptions('watch', options, ['table', 'columns', 'evicts', 'maxSelectors'])
  const { columns } = options
  if (!Array.isArray(columns)) throw new TypeError(`Expected columns to be a list, got ${String(columns)}`)
  const rule = readRule(options, columns)
  if (rule.columns.length === 0) {
    throw new TypeError(`watch: no column of ${rule.table.written} is watched, so no change could be noticed`)
  }
  return Object.freeze({ kind: 'watch', ...rule })
}

/**
 * A rule that copies what is inserted into a queue table that exists already, for any number of nodes.
 * Throws a `TypeError` or `RangeError` for what cannot be one.
 *
 * @example
 * const page = route('ports/{category}/{port}')
 * bridge({ table: 'cache_clearing_ports', evicts: [evictRoute(page, { category: 'category', port: 'port' })] }).rows // => 'delete'
 */
export function bridge(options: BridgeOptions): BridgeRule {
  checkOptions('bridge', options, ['table', 'evicts', 'rows', 'maxSelectors'])
  const { rows = 'delete' } = options
  if (rows !== 'delete' && rows !== 'keep') {
    throw new TypeError(`Expected rows to be 'delete' or 'keep', got ${JSON.stringify(rows)}`)
  }
  return Object.freeze({ kind: 'bridge', ...readRule(options, []), rows })
}

function readRule({ table, evicts, maxSelectors = 1_000 }: WatchOptions | BridgeOptions, columns: readonly string[]) {
  const name = readTableName(table)
  if (!Array.isArray(evicts) || evicts.length === 0) {
    throw new TypeError(
      `Expected evicts of ${name.written} to be a list of evictRoute() and evictTag(), got ${String(evicts)}`,
    )
  }
  for (const entry of evicts as unknown[]) {
    if (entry instanceof RouteEntry || entry instanceof TagEntry) continue
    throw new TypeError(
      `Expected evicts of ${name.written} to be made by evictRoute() and evictTag(), got ${JSON.stringify(entry)}`,
    )
  }
  if (!Number.isSafeInteger(maxSelectors) || maxSelectors < 1 || maxSelectors > 1_000_000) {
    throw new RangeError(`Expected maxSelectors to be an integer from 1 to 1,000,000, got ${String(maxSelectors)}`)
  }
  const all = [
    ...columns.map((column) => checkColumn(column, `a column of ${name.written}`)),
    ...evicts.flatMap(columnsOf),
  ]
  return { table: name, columns: [...new Set(all)].sort(), evicts: [...evicts], maxSelectors }
}

function checkOptions(of: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`Expected ${of}() to be given options`)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    throw new TypeError(
      `${of}: there is no option "${name}"${nearest === undefined ? '' : ` (did you mean "${nearest}"?)`}`,
    )
  }
}
