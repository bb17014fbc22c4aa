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
  const statements = rules.map((rule) =>
    rule.kind === 'watch' && event !== 'truncate'
      ? writeChangedSql(schema, rule, event)
      : counted(writeSql(schema, rule, event)),
  )
  const values = Array.from(
    { length: Math.max(...rules.map(({ columns }) => columns.length)) },
    (_, index) => index + 1,
  )
  return `
DECLARE
  added bigint;
  written bigint := 0;
  changes integer;
  is_changed boolean;
  one_name text COLLATE "C";
  ${values.map((value) => `n${value} text COLLATE "C"; o${value} text COLLATE "C";`).join(' ')}
BEGIN
  ${statements.join('\n  ')}
  IF written > 0 THEN PERFORM ${schema.of('wake')}(); END IF;
  RETURN ${isRow ? 'NEW' : 'NULL'};
END
`
}

function counted(sql: string): string {
  return `${sql}
  GET DIAGNOSTICS added = ROW_COUNT;
  written := written + added;`
}

/** Most statements change one row: for these, what was and what is are variables, and no set is made. */
function writeChangedSql(schema: SchemaName, rule: FeedRule, event: 'insert' | 'update' | 'delete'): string {
  const from = event === 'delete' ? 'old_rows' : 'new_rows'
  const [is, was] = event === 'delete' ? (['o', 'n'] as const) : (['n', 'o'] as const)
  const each = (text: (index: number) => string, separator = ', ') =>
    rule.columns.map((_, index) => text(index + 1)).join(separator)
  const write = (...sides: readonly string[]) => {
    const [entry, second] = rule.evicts
    const [side, other] = sides
    if (entry && side && !second && !other) return writeNameSql(schema, rule, entry, side)
    const names = sides.flatMap((side) => rule.evicts.map((entry) => `(${oneSql(schema, rule, entry, side)})`))
    return counted(`INSERT INTO ${schema.of('feed')} (rule, selector, tag)
      SELECT DISTINCT ${literal(rule.table.written)}, selector, tag FROM (VALUES ${names.join(', ')}) AS named(selector, tag)
       WHERE ${usableSql};`)
  }
  // A row that stays where it is names the same pages before and after.
  const placed = [...new Set(rule.evicts.flatMap(columnsOf))].map((column) => rule.columns.indexOf(column) + 1)
  const moved = placed.map((at) => `n${at} IS DISTINCT FROM o${at}`).join(' OR ')
  const writeOne =
    event === 'update' && moved !== ''
      ? `IF ${moved} THEN
      ${write('n', 'o')}
      ELSE
      ${write('n')}
      END IF;`
      : write(is)
  const compare =
    event === 'update'
      ? `SELECT ${columnsSql(rule, 'old_rows.', false)} INTO ${each((at) => `${was}${at}`)} FROM old_rows;
    is_changed := ${each((at) => `n${at} IS DISTINCT FROM o${at}`, ' OR ')};`
      : 'is_changed := true;'
  return `
  SELECT count(*), ${each((at) => `min(c${at})`)} INTO changes, ${each((at) => `${is}${at}`)}
    FROM (SELECT ${columnsSql(rule, `${from}.`)} FROM ${from} LIMIT 2) AS first_two;
  IF changes = 1 THEN
    ${compare}
    IF is_changed THEN
      ${writeOne}
    END IF;
  ELSIF changes > 1 THEN
    ${counted(writeSql(schema, rule, event))}
  END IF;`
}

/** One name needs no set at all, which would cost as much as all the rest. */
function writeNameSql(schema: SchemaName, rule: FeedRule, entry: EvictEntry, side: string): string {
  const value = variableOf(rule, side)
  const [column, name, isUsable] =
    entry.kind === 'route'
      ? ['selector', routeExpression(schema, entry, value), isUsableSelector('one_name')]
      : ['tag', tagExpression(entry, value), isUsableTag('one_name')]
  return `one_name := ${name};
      IF ${isUsable} THEN
        ${counted(`INSERT INTO ${schema.of('feed')} (rule, ${column}) VALUES (${literal(rule.table.written)}, one_name);`)}
      END IF;`
}

/** What one row names: `selector, tag`. */
function oneSql(schema: SchemaName, rule: FeedRule, entry: EvictEntry, side: string): string {
  const value = variableOf(rule, side)
  return entry.kind === 'route'
    ? `${routeExpression(schema, entry, value)}, NULL::text`
    : `NULL::text, ${tagExpression(entry, value)}`
}

/** That a page can have such a key or tag. */
const isUsableSelector = (selector: string) => `octet_length(${selector}) <= ${longestSelector}`
const isUsableTag = (tag: string) =>
  `(octet_length(${tag}) BETWEEN 1 AND 500 AND ${tag} !~ ${literal('[\\u0001-\\u001f\\u007f\\\\]')})`
const usableSql = `(${isUsableSelector('selector')}
      OR ${isUsableTag('tag')})`

/** The variable that holds a column of the row, as it is (`n`) or was (`o`). */
const variableOf = (rule: FeedRule, side: string) => (column: string) => `${side}${rule.columns.indexOf(column) + 1}`

function columnsSql(rule: FeedRule, of: string, isNamed = true): string {
  return rule.columns
    .map((column, index) => `(${of}${identifier(column)})::text COLLATE "C"${isNamed ? ` AS c${index + 1}` : ''}`)
    .join(', ')
}

function writeSql(schema: SchemaName, rule: FeedRule, event: TriggerEvent): string {
  const insert = `INSERT INTO ${schema.of('feed')} (rule, selector, tag)`
  const name = literal(rule.table.written)
  if (event === 'truncate') {
    const rows = rule.evicts.map((entry) => `(${name}, ${coarsestForTruncate(entry)})`)
    return `${insert} VALUES ${rows.join(', ')};`
  }
  const entries = rule.evicts.map((entry, index) => entrySql(rule, entry, index))
  const names = rule.evicts.map((entry, index) => namesSql(schema, rule, entry, index))
  // Materialized, so that no name is made twice: once for the check and once for the row.
  const sql = `WITH changed AS MATERIALIZED (${changedSql(rule, event)}
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
function changedSql(rule: FeedRule, event: TriggerEvent): string {
  const columns = (of: string) => columnsSql(rule, of)
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

function routeExpression(schema: SchemaName, entry: RouteEntry, value: (column: string) => string): string {
  const bound = Object.entries(entry.columns).map(([parameter, column]) => [parameter, value(column)] as const)
  const selector = routeSql(schema, entry.route, Object.fromEntries(bound))
  const isAscii = Buffer.byteLength(literalsOf(entry.route)) === literalsOf(entry.route).length
  // A piece of 200 characters may be longer than a segment's 240 bytes only with such literals.
  return isAscii
    ? selector
    : `CASE WHEN octet_length(${selector}) > 240 THEN ${literal(entry.coarsest)} ELSE ${selector} END`
}

function tagExpression(entry: TagEntry, value: (column: string) => string): string {
  return entry.parts.map((part) => (typeof part === 'string' ? literal(part) : value(part.column))).join(' || ')
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
