/**
 * The PL/pgSQL of triggers: from the rows that a statement changed to rows of the feed. Statements that change
 * one row go a way of their own (one-row.ts).
 */
import { columnsOf, type EvictEntry } from '../evict-entry.js'
import type { FeedRule } from '../watch.js'
import { type ColumnTexts, columnsSql } from './column-texts.js'
import { routeExpression, tagExpression, usableSql } from './name-sql.js'
import { oneRowDeclarations, oneRowSql } from './one-row.js'
import { literal, type SchemaName } from './quoting.js'
import { parametersOf } from './route-sql.js'

export type TriggerEvent = 'insert' | 'update' | 'delete' | 'truncate'

/** What a trigger's function does: each rule writes its rows; if there are any, sleepers are woken. */
export function triggerBody(
  schema: SchemaName,
  rules: readonly FeedRule[],
  event: TriggerEvent,
  texts: ColumnTexts,
): string {
  const isRow = rules.some((rule) => rule.kind === 'bridge' && rule.rows === 'keep')
  // The transaction has its number by then, so a listener that lets the lease run out can wait for it.
  const wake = `IF clock_timestamp() >= to_timestamp(pg_sequence_last_value(${schema.literalOf('lease')}) / 1000::float8) THEN PERFORM ${schema.of('wake')}(); END IF;`
  const wakeIfAny = `GET DIAGNOSTICS added = ROW_COUNT;
  IF added > 0 THEN ${wake} END IF;`
  const set = rules.map(
    (rule) => `${writeSql(schema, rule, event, texts)}
  ${wakeIfAny}`,
  )
  const watching = rules.filter((rule) => rule.kind === 'watch')
  if (watching.length === 0 || event === 'truncate') {
    return `
DECLARE
  added bigint;
BEGIN
  ${set.join('\n  ')}
  RETURN ${isRow ? 'NEW' : 'NULL'};
END
`
  }
  const one = watching.map((rule) => oneRowSql({ schema, rule, event, texts, wake, wakeIfAny }))
  return `
DECLARE
  added bigint; ${oneRowDeclarations(watching)}
BEGIN
  PERFORM FROM ${event === 'delete' ? 'old_rows' : 'new_rows'} OFFSET 1;
  IF FOUND THEN
  ${set.join('\n  ')}
  ELSE
    ${one.join('\n    ')}
  END IF;
  RETURN NULL;
END
`
}

function writeSql(schema: SchemaName, rule: FeedRule, event: TriggerEvent, texts: ColumnTexts): string {
  const insert = `INSERT INTO ${schema.of('feed')} (rule, selector, tag)`
  const name = literal(rule.table.written)
  if (event === 'truncate') {
    const rows = rule.evicts.map((entry) => `(${name}, ${coarsestForTruncate(entry)})`)
    return `${insert} VALUES ${rows.join(', ')};`
  }
  const entries = rule.evicts.map((entry, index) => entrySql(rule, entry, index))
  const names = rule.evicts.map((entry, index) => namesSql(schema, rule, entry, index))
  // Materialized, so that no name is made twice: once for the check and once for the row.
  const sql = `WITH changed AS MATERIALIZED (${changedSql(rule, event, texts)}
  )${entries.join('')},
  named(selector, tag) AS MATERIALIZED (
    ${names.join('\n    UNION ALL\n    ')}
  )
  ${insert}
  SELECT ${name}, selector, tag FROM named
   WHERE ${usableSql};`
  if (rule.kind === 'bridge' && rule.rows === 'delete') {
    // The table's name is known to the trigger only: the search_path is fixed, and partitions have names of their own.
    const text = sql.replace(deletedFrom, '%I.%I').replace(/;$/, '')
    return `EXECUTE format(${literal(escapePercents(text))}, TG_TABLE_SCHEMA, TG_TABLE_NAME);`
  }
  return sql
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
function changedSql(rule: FeedRule, event: TriggerEvent, texts: ColumnTexts): string {
  const columns = (of: string) => columnsSql(texts, rule, of)
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
  const reads = readsOf(rule, entry)
  const value = (column: string) => `p${reads.findIndex((read) => read.column === column) + 1}`
  const named =
    entry.kind === 'route'
      ? `SELECT ${routeExpression(schema, entry, value)} AS selector, NULL::text AS tag FROM e${index}`
      : `SELECT NULL AS selector, ${tagExpression(entry, value)} AS tag FROM e${index}`
  if (readsOf(rule, entry).length === 0 || !collapses(entry)) return named
  const count = `(SELECT count(*) FROM e${index})`
  return `${named} WHERE ${count} <= ${rule.maxSelectors}
    UNION ALL
    SELECT ${coarsest(entry)} WHERE ${count} > ${rule.maxSelectors}`
}

/** What an entry reads of `changed`, each column once: of a day its first ten characters. */
function readsOf(rule: FeedRule, entry: EvictEntry): { column: string; value: string }[] {
  const days = new Set<string>()
  if (entry.kind === 'route') {
    const parameters = parametersOf(entry.route)
    for (const { name, isDay } of parameters) if (isDay) days.add(entry.columns[name] ?? '')
    for (const { name, isDay } of parameters) if (!isDay) days.delete(entry.columns[name] ?? '')
  }
  return [...new Set(columnsOf(entry))].map((column) => {
    const text = `c${rule.columns.indexOf(column) + 1}`
    return { column, value: days.has(column) ? `left(${text}, 10)` : text }
  })
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
