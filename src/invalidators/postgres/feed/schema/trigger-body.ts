/**
 * The PL/pgSQL of triggers: from the rows that a statement changed to rows of the feed.
 *
 * All values are compared and taken as text, so that types without equality (json, xml, point) serve as
 * well as others, and what is equal but reads otherwise (1.0 and 1.00, citext) counts as changed.
 */
import { columnsOf, type EvictEntry, type RouteEntry, type TagEntry } from '../evict-entry.js'
import type { FeedRule } from '../watch.js'
import { identifier, literal, type SchemaName } from './quoting.js'
import { literalsOf, parametersOf, routeSql } from './route-sql.js'

export type TriggerEvent = 'insert' | 'update' | 'delete' | 'truncate'

/** No page can have a longer key, so none needs to be evicted. */
const longestSelector = 3000

/** What a trigger's function does: each rule writes its rows; if there are any, sleepers are woken. */
export function triggerBody(schema: SchemaName, rules: readonly FeedRule[], event: TriggerEvent): string {
  const isRow = rules.some((rule) => rule.kind === 'bridge' && rule.rows === 'keep')
  const statements = rules.map(
    (rule) => `${writeSql(schema, rule, event)}
  GET DIAGNOSTICS added = ROW_COUNT;
  written := written + added;`,
  )
  return `
DECLARE
  added bigint;
  written bigint := 0;
BEGIN
  ${statements.join('\n  ')}
  IF written > 0 THEN PERFORM ${schema.of('wake')}(); END IF;
  RETURN ${isRow ? 'NEW' : 'NULL'};
END
`
}

function writeSql(schema: SchemaName, rule: FeedRule, event: TriggerEvent): string {
  const insert = `INSERT INTO ${schema.of('feed')} (rule, selector, tag)`
  const name = literal(rule.table.written)
  if (event === 'truncate') {
    const rows = rule.evicts.map((entry) => `(${name}, ${coarsestForTruncate(entry)})`)
    return `${insert} VALUES ${rows.join(', ')};`
  }
  const select = `
  ${insert}
  SELECT ${name}, selector, tag FROM (
    ${rule.evicts.map((entry, index) => namesSql(schema, rule, entry, index)).join('\n    UNION ALL\n    ')}
  ) AS named
  WHERE octet_length(selector) <= ${longestSelector}
     OR (octet_length(tag) BETWEEN 1 AND 500 AND tag !~ ${literal('[\\u0001-\\u001f\\u007f\\\\]')});`
  const entries = rule.evicts.map((entry, index) => entrySql(rule, entry, index))
  const withSql = `WITH changed AS MATERIALIZED (${changedSql(rule, event)}
  )${entries.join('')}`
  if (rule.kind === 'bridge' && rule.rows === 'delete') {
    // The table's name is known to the trigger only: the search_path is fixed, and partitions have names of their own.
    const text = `${withSql}${select}`.replace(deletedFrom, '%I.%I').replace(/;$/, '')
    return `EXECUTE format(${literal(escapePercents(text))}, TG_TABLE_SCHEMA, TG_TABLE_NAME);`
  }
  return `${withSql}${select}`
}

const deletedFrom = '\u0001table\u0001'

/** All but the place of the table's name. */
function escapePercents(text: string): string {
  return text
    .split('%I.%I')
    .map((part) => part.replaceAll('%', '%%'))
    .join('%I.%I')
}

/** The rows that count, as text, in columns `c1`, `c2`, ... */
function changedSql(rule: FeedRule, event: TriggerEvent): string {
  const columns = (of: string) =>
    rule.columns.map((column, index) => `(${of}${identifier(column)})::text COLLATE "C" AS c${index + 1}`).join(', ')
  if (rule.kind === 'bridge') {
    return rule.rows === 'keep'
      ? `
    SELECT ${columns('NEW.')}`
      : `
    DELETE FROM ${deletedFrom} RETURNING ${columns('') || '1'}`
  }
  if (event === 'insert')
    return `
    SELECT ${columns('new_rows.')} FROM new_rows`
  if (event === 'delete')
    return `
    SELECT ${columns('old_rows.')} FROM old_rows`
  const names = rule.columns.map((_, index) => `c${index + 1}`).join(', ')
  return `
    -- What is in one of the two and not in the other, as often as it is.
    SELECT ${names} FROM (
      SELECT ${columns('new_rows.')}, 1 AS side FROM new_rows UNION ALL SELECT ${columns('old_rows.')}, -1 FROM old_rows
    ) AS both_sides GROUP BY ${names} HAVING sum(side) <> 0`
}

/** The distinct values that name an entry's pages, and one more than may be named. */
function entrySql(rule: FeedRule, entry: EvictEntry, index: number): string {
  const distinct = readsOf(rule, entry).map(({ value }, at) => `${value} AS p${at + 1}`)
  if (distinct.length === 0) {
    return `,
  e${index} AS MATERIALIZED (SELECT FROM changed LIMIT 1)`
  }
  const limit = collapses(entry) ? ` LIMIT ${rule.maxSelectors + 1}` : ''
  return `,
  e${index} AS MATERIALIZED (SELECT DISTINCT ${distinct.join(', ')} FROM changed${limit})`
}

function namesSql(schema: SchemaName, rule: FeedRule, entry: EvictEntry, index: number): string {
  const named =
    entry.kind === 'route'
      ? `SELECT ${routeExpression(schema, rule, entry)} AS selector, NULL::text AS tag FROM e${index}`
      : `SELECT NULL AS selector, ${tagExpression(rule, entry)} AS tag FROM e${index}`
  if (readsOf(rule, entry).length === 0 || !collapses(entry)) return named
  const count = `(SELECT count(*) FROM e${index})`
  return `${named} WHERE ${count} <= ${rule.maxSelectors}
    UNION ALL
    SELECT ${coarsest(entry)} WHERE ${count} > ${rule.maxSelectors}`
}

/** What an entry reads of `changed`, each once: of a day its first ten characters. */
function readsOf(rule: FeedRule, entry: EvictEntry): { parameter: string; value: string }[] {
  const textOf = (column: string) => `c${rule.columns.indexOf(column) + 1}`
  if (entry.kind === 'tag') {
    return [...new Set(columnsOf(entry))].map((column) => ({ parameter: column, value: textOf(column) }))
  }
  return parametersOf(entry.route).flatMap(({ name, isDay }) => {
    const column = entry.columns[name]
    if (column === undefined) return []
    return [{ parameter: name, value: isDay ? `left(${textOf(column)}, 10)` : textOf(column) }]
  })
}

function routeExpression(schema: SchemaName, rule: FeedRule, entry: RouteEntry): string {
  const bound = readsOf(rule, entry).map(({ parameter }, at) => [parameter, `p${at + 1}`] as const)
  const selector = routeSql(schema, entry.route, Object.fromEntries(bound))
  const isAscii = Buffer.byteLength(literalsOf(entry.route)) === literalsOf(entry.route).length
  // A piece of 200 characters may be longer than a segment's 240 bytes only with such literals.
  return isAscii
    ? selector
    : `CASE WHEN octet_length(${selector}) > 240 THEN ${literal(entry.coarsest)} ELSE ${selector} END`
}

function tagExpression(rule: FeedRule, entry: TagEntry): string {
  const reads = readsOf(rule, entry)
  return entry.parts
    .map((part) =>
      typeof part === 'string'
        ? literal(part)
        : `p${reads.findIndex(({ parameter }) => parameter === part.column) + 1}`,
    )
    .join(' || ')
}

function collapses(entry: EvictEntry): boolean {
  return entry.kind === 'route' || entry.all !== undefined
}

function coarsest(entry: EvictEntry): string {
  return entry.kind === 'route' ? `${literal(entry.coarsest)}, NULL` : `NULL, ${literal(entry.all ?? '')}`
}

/** Which rows there were is not told; tags without a common one cannot be named, so everything goes. */
function coarsestForTruncate(entry: EvictEntry): string {
  if (entry.kind === 'route' || entry.all !== undefined) return coarsest(entry)
  return columnsOf(entry).length === 0 ? `NULL, ${literal(entry.template)}` : `'**', NULL`
}
