/**
 * The way of statements that change one row, which most do: one read of what was and what is, one INSERT, and
 * as few expressions in between as can be, since each costs a microsecond of every commit.
 *
 * Three ways, the cheapest first: a row that stays where it is and whose values are written as they are; any
 * other row, with names made in full; many rows, as a set (trigger-body.ts).
 */
import { columnsOf, type EvictEntry } from '../evict-entry.js'
import type { WatchRule } from '../watch.js'
import {
  columnsSql,
  isUsableSelector,
  isUsableTag,
  namedSql,
  plainName,
  routeExpression,
  tagExpression,
  usableSql,
  type ValueOf,
} from './name-sql.js'
import { literal, type SchemaName } from './quoting.js'

export interface OneRowParts {
  readonly schema: SchemaName
  readonly rule: WatchRule
  readonly event: 'insert' | 'update' | 'delete'
  /** Writes what many rows name. */
  readonly set: string
  /** Wakes sleepers; after rows were written. */
  readonly wake: string
  /** The same after an INSERT that may have written none. */
  readonly wakeIfAny: string
}

/** The variables that it needs. */
export function oneRowDeclarations(rules: readonly WatchRule[]): string {
  const columns = new Set(rules.flatMap(namedColumns))
  const names = Array.from({ length: Math.max(0, ...rules.map(({ evicts }) => evicts.length)) }, (_, at) => at + 1)
  const texts = [...[...columns].flatMap((at) => [`n${at}`, `o${at}`]), ...names.map((at) => `name${at}`)]
  return `are_many boolean; is_changed boolean; is_moved boolean;
  ${texts.map((name) => `${name} text COLLATE "C";`).join(' ')}`
}

export function oneRowSql(parts: OneRowParts): string {
  const { rule, event, set } = parts
  const side = event === 'delete' ? 'o' : 'n'
  const plain = rule.evicts.map((entry) => plainName(entry, columnOf(rule, side === 'n' ? 'c' : 'd')))
  const holds = rule.evicts.map((entry, at) => plainName(entry, columnOf(rule, side))?.holds(`name${at + 1}`))
  // A row in which only names have changed has moved.
  const mayBePlain =
    !holds.includes(undefined) && (event !== 'update' || namedColumns(rule).length < rule.columns.length)
  const names = rule.evicts.map((entry, at) => `(${literal(rule.table.written)}, ${placed(entry, `name${at + 1}`)})`)
  const cheap = `IF ${event === 'update' ? 'is_changed AND NOT is_moved AND NOT are_many' : 'NOT are_many'}
     AND ${holds.join('\n     AND ')} THEN
    ${insertInto(parts.schema, names.join(', '))}
    ${parts.wake}
  ELSIF`
  const others =
    event === 'update'
      ? `are_many OR is_moved OR is_changed THEN
    IF are_many THEN
      ${set}
    ELSIF is_moved THEN
      ${writeInFull(parts, ['n', 'o'])}
    ELSE
      ${writeInFull(parts, ['n'])}
    END IF;`
      : `are_many THEN
    ${set}
  ELSIF NOT are_many THEN
    ${writeInFull(parts, [side])}`
  return `${readSql(parts, mayBePlain ? plain.map((name) => name?.name ?? 'NULL') : [])}
  ${mayBePlain ? cheap : 'IF'} ${others}
  END IF;`
}

/** Without a row nothing is true of it. */
function readSql({ rule, event }: OneRowParts, plain: readonly string[]): string {
  const from = event === 'delete' ? 'old_rows' : 'new_rows'
  const named = namedColumns(rule)
  const watchedOnly = rule.columns.map((_, index) => index + 1).filter((at) => !named.includes(at))
  const differ = (columns: readonly number[]) =>
    columns.length === 0 ? 'false' : columns.map((at) => `c${at} IS DISTINCT FROM d${at}`).join(' OR ')
  const reads: [string, string][] = [['are_many', `EXISTS (SELECT FROM ${from} OFFSET 1)`]]
  if (event === 'update') reads.push(['is_changed', differ(watchedOnly)], ['is_moved', differ(named)])
  for (const [index, name] of plain.entries()) reads.push([`name${index + 1}`, name])
  for (const at of named) {
    if (event !== 'delete') reads.push([`n${at}`, `c${at}`])
    if (event !== 'insert') reads.push([`o${at}`, `d${at}`])
  }
  const source = {
    insert: `SELECT ${columnsSql(rule, 'new_rows.')} FROM new_rows`,
    update: `SELECT ${columnsSql(rule, 'new_rows.')}, ${columnsSql(rule, 'old_rows.', 'd')}
      FROM new_rows LEFT JOIN old_rows ON true`,
    delete: `SELECT ${columnsSql(rule, 'old_rows.', 'd')} FROM old_rows`,
  }[event]
  return `SELECT ${reads.map(([, sql]) => sql).join(', ')}
    INTO ${reads.map(([variable]) => variable).join(', ')}
    FROM (${source}) AS one_row;`
}

/** What the row names, as it is, as it was, or both. */
function writeInFull(parts: OneRowParts, sides: readonly ('n' | 'o')[]): string {
  const { schema, rule, wake, wakeIfAny } = parts
  const [entry, second] = rule.evicts
  const [side, other] = sides
  if (entry && side && !second && !other) {
    const value = columnOf(rule, side)
    const [name, isUsable] =
      entry.kind === 'route'
        ? [routeExpression(schema, entry, value), isUsableSelector('name1')]
        : [tagExpression(entry, value), isUsableTag('name1')]
    return `name1 := ${name};
      IF ${isUsable} THEN
        ${insertInto(schema, `(${literal(rule.table.written)}, ${placed(entry, 'name1')})`)}
        ${wake}
      END IF;`
  }
  const names = sides.flatMap((each) => rule.evicts.map((of) => `(${namedSql(schema, of, columnOf(rule, each))})`))
  return `INSERT INTO ${schema.of('feed')} (rule, selector, tag)
      SELECT DISTINCT ${literal(rule.table.written)}, selector, tag FROM (VALUES ${names.join(', ')}) AS named(selector, tag)
       WHERE ${usableSql};
      ${wakeIfAny}`
}

const insertInto = (schema: SchemaName, rows: string) =>
  `INSERT INTO ${schema.of('feed')} (rule, selector, tag) VALUES ${rows};`

const placed = (entry: EvictEntry, name: string) => (entry.kind === 'route' ? `${name}, NULL` : `NULL, ${name}`)

/** The variable or column that holds a column of the row. */
const columnOf =
  (rule: WatchRule, prefix: string): ValueOf =>
  (column) =>
    `${prefix}${rule.columns.indexOf(column) + 1}`

/** The columns that names are made of, by their number. */
function namedColumns(rule: WatchRule): number[] {
  return [...new Set(rule.evicts.flatMap(columnsOf))].map((column) => rule.columns.indexOf(column) + 1)
}
