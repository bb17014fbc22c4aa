/**
 * What a changed row evicts: pages of a route, or a tag. Columns stand where a page has parameters.
 *
 * An entry is data, not a function, since triggers are made of it. Both names and columns are checked as
 * far as they are known here; whether the table has the columns, `install()` and `diagnose()` see.
 */
import { Route, type RouteParameters } from '../../../core/route.js'
import { checkTag } from '../../../core/selector.js'
import { didYouMean } from '../nearest-name.js'
import { literalsOf, parametersOf, type RouteText } from './schema/route-sql.js'

/** Which column each parameter is read from; a parameter left out stands for all its values. */
export type RouteColumns<Template extends string> = { readonly [Name in keyof RouteParameters<Template>]?: string }

export class RouteEntry {
  readonly kind = 'route'
  readonly route: RouteText
  /** From parameter to column. */
  readonly columns: Readonly<Record<string, string>>
  /** The pattern of all its pages: what is evicted when rows cannot be named one by one. */
  readonly coarsest: string

  constructor(of: Route, columns: Readonly<Record<string, string>>) {
    this.route = { template: of.template, letterCase: of.letterCase }
    this.columns = { ...columns }
    this.coarsest = of.pattern().pattern
    Object.freeze(this.columns)
    Object.freeze(this)
  }
}

export class TagEntry {
  readonly kind = 'tag'
  readonly template: string
  /** Literal texts and `{ column }`s, in order. */
  readonly parts: readonly (string | { readonly column: string })[]
  /** The tag of all pages that have one of these tags, if there is one. */
  readonly all: string | undefined

  constructor(template: string, parts: readonly (string | { readonly column: string })[], all: string | undefined) {
    this.template = template
    this.parts = parts
    this.all = all
    Object.freeze(this)
  }
}

export type EvictEntry = RouteEntry | TagEntry

/**
 * The pages of `route` whose parameters are in these columns, in the row as it was and as it is.
 *
 * A NULL in such a column stands for all values of its parameter. A value is taken as PostgreSQL casts it to
 * text, an instant in UTC; a page's parameter must be the same text. Throws a `TypeError` for an unknown parameter.
 *
 * @example
 * const list = route('ports/{category}/page-{number}.html')
 * evictRoute(list, { category: 'category' }).columns // => { category: 'category' }
 */
export function evictRoute<Template extends string>(
  route: Route<Template>,
  columns: RouteColumns<Template> = {},
): RouteEntry {
  if (!isRoute(route)) throw new TypeError(`Expected evictRoute() to be given what route() made, got ${String(route)}`)
  const parameters = parametersOf(route).map(({ name }) => name)
  const bound: [string, string][] = []
  for (const [name, column] of Object.entries<unknown>(columns)) {
    if (!parameters.includes(name)) {
      throw new TypeError(
        `evictRoute: route("${route.template}") has no parameter "${name}"${didYouMean(name, parameters)}; ` +
          `it has ${parameters.join(', ') || 'none'}`,
      )
    }
    if (column !== undefined) bound.push([name, checkColumn(column, `the column of ${name}`)])
  }
  if (/[\u{10000}-\u{10ffff}]/u.test(literalsOf(route))) {
    throw new TypeError(
      `evictRoute: route("${route.template}") has characters beyond U+FFFF, which SQL counts otherwise`,
    )
  }
  return new RouteEntry(route as Route, Object.fromEntries(bound))
}

export interface TagOptions {
  /**
   * A tag that every page with one of these tags has as well. A statement that changes too many rows, or a
   * TRUNCATE, evicts it. Default: none, and then such a statement writes every tag, and a TRUNCATE
   * evicts every page there is.
   */
  readonly all?: string
}

/**
 * The tag of these columns: `product:{id}`, in the row as it was and as it is. A row with a NULL in one of them
 * has no such tag. Throws a `TypeError` or `tag-invalid`.
 *
 * @example
 * evictTag('product:{id}', { all: 'products' }).all // => 'products'
 */
export function evictTag(template: string, options: TagOptions = {}): TagEntry {
  if (typeof template !== 'string')
    throw new TypeError(`Expected a tag such as "product:{id}", got ${String(template)}`)
  const parts = template
    .split(/(\{[^{}]*\})/)
    .filter((text) => text !== '')
    .map((text) => {
      if (/^\{[^{}]+\}$/.test(text)) return { column: text.slice(1, -1) }
      if (/[{}]/.test(text)) throw new TypeError(`evictTag: "${template}" has a brace that names no column`)
      return text
    })
  checkTag(parts.map((part) => (typeof part === 'string' ? part : 'x')).join(''))
  if (options.all !== undefined) checkTag(options.all)
  const [nearMiss] = Object.keys(options).filter((name) => name !== 'all')
  if (nearMiss !== undefined) throw new TypeError(`evictTag: there is no option "${nearMiss}"; there is all`)
  return new TagEntry(template, parts, options.all)
}

/** The columns that an entry reads. */
export function columnsOf(entry: EvictEntry): string[] {
  if (entry.kind === 'route') return Object.values(entry.columns)
  return entry.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.column]))
}

/** Returns `column`, or throws a `TypeError`. */
export function checkColumn(column: unknown, what: string): string {
  if (typeof column === 'string' && column !== '' && !column.includes('\0')) return column
  throw new TypeError(`Expected ${what} to be a column's name, got ${JSON.stringify(column)}`)
}

/** By shape as well: the application's route may come from the other of the ESM and CJS builds. */
function isRoute(value: unknown): value is Route {
  if (value instanceof Route) return true
  return typeof value === 'object' && value !== null && value.constructor?.name === 'Route' && 'template' in value
}
