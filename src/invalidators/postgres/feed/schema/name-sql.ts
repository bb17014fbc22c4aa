/** What an entry names, as expressions of SQL over the texts of columns; and which names a page can have. */
import type { EvictEntry, RouteEntry, TagEntry } from '../evict-entry.js'
import { literal, type SchemaName } from './quoting.js'
import { literalsOf, plainRouteSql, routeSql } from './route-sql.js'

/** An expression for the text of a column. */
export type ValueOf = (column: string) => string

/** No page can have a longer key, so none needs to be evicted. */
const longestSelector = 3000

/** That a page can have such a key or tag. */
export const isUsableSelector = (selector: string): string => `octet_length(${selector}) <= ${longestSelector}`
export const isUsableTag = (tag: string): string =>
  `(octet_length(${tag}) BETWEEN 1 AND 500 AND ${tag} !~ ${literal('[\\u0001-\\u001f\\u007f\\\\]')})`
export const usableSql = `(${isUsableSelector('named.selector')}
      OR ${isUsableTag('named.tag')})`

export function routeExpression(schema: SchemaName, entry: RouteEntry, value: ValueOf): string {
  const selector = routeSql(schema, entry.route, boundTo(entry, value))
  const isAscii = Buffer.byteLength(literalsOf(entry.route)) === literalsOf(entry.route).length
  // A piece of 200 characters may be longer than a segment's 240 bytes only with such literals.
  return isAscii
    ? selector
    : `CASE WHEN octet_length(${selector}) > 240 THEN ${literal(entry.coarsest)} ELSE ${selector} END`
}

export function tagExpression(entry: TagEntry, value: ValueOf): string {
  return entry.parts.map((part) => (typeof part === 'string' ? literal(part) : value(part.column))).join(' || ')
}

/** `selector, tag` of what an entry names. */
export function namedSql(schema: SchemaName, entry: EvictEntry, value: ValueOf): string {
  return entry.kind === 'route'
    ? `${routeExpression(schema, entry, value)}, NULL::text`
    : `NULL::text, ${tagExpression(entry, value)}`
}

/** A name made in the cheapest way, and when it is the right one. `undefined`: there is no such way. */
export interface PlainName {
  readonly name: string
  /** Of a variable that holds the name, and of those that hold the values. */
  holds(name: string): string
}

export function plainName(entry: EvictEntry, value: ValueOf): PlainName | undefined {
  if (entry.kind === 'tag') return { name: tagExpression(entry, value), holds: isUsableTag }
  const plain = plainRouteSql(entry.route, boundTo(entry, value))
  return plain && { name: plain.selector, holds: plain.holds }
}

function boundTo(entry: RouteEntry, value: ValueOf): Record<string, string> {
  return Object.fromEntries(Object.entries(entry.columns).map(([parameter, column]) => [parameter, value(column)]))
}
