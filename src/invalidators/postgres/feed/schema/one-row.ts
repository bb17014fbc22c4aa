/**
 * The way of statements that change one row, which most do: one query that says whether there is anything to evict
 * and names it, and one INSERT. Expressions are few, since each of them is made ready anew by each transaction, which
 * costs more than what it computes; so are variables.
 *
 * What the query answers in `name1`: NULL, there is nothing; a name that holds (name-sql.ts), it is written; anything
 * else, such as '', the names are made in full: of a row whose names have changed, and of values that are encoded.
 */
import { columnsOf, type EvictEntry } from '../evict-entry.js'
import type { WatchRule } from '../watch.js'
import type { ColumnTexts } from './column-texts.js'
import { namedSql, plainName, usableSql } from './name-sql.js'
import { literal, type SchemaName } from './quoting.js'
import { parametersOf } from './route-sql.js'

export interface OneRowParts {
  readonly schema: SchemaName
  readonly rule: WatchRule
  readonly event: 'insert' | 'update' | 'delete'
  readonly texts: ColumnTexts
  /** Wakes sleepers; after rows were written. */
  readonly wake: string
  /** The same after an INSERT that may have written none. */
  readonly wakeIfAny: string
}

const source = { insert: 'new_rows', update: 'new_rows LEFT JOIN old_rows ON true', delete: 'old_rows' } as const

/** The variables that it needs. */
export function oneRowDeclarations(rules: readonly WatchRule[]): string {
  const names = Math.max(0, ...rules.map(({ evicts }) => evicts.length))
  const days = Math.max(0, ...rules.map((rule) => dayColumns(rule).length))
  const texts = [...numbered('name', names), ...numbered('day', days)]
  return texts.map((name) => `${name} text COLLATE "C";`).join(' ')
}

/** For a statement that is known to have changed one row, or none. */
export function oneRowSql(parts: OneRowParts): string {
  const { schema, rule, event, texts, wake } = parts
  const side = event === 'delete' ? 'old_rows.' : 'new_rows.'
  const days = dayColumns(rule)
  const text = (column: string) => texts.text(side, column)
  const names = rule.evicts.flatMap((entry) => plainName(entry, text)?.name ?? [])
  const hold = rule.evicts.map((entry, at) =>
    plainName(entry, (column) => `day${days.indexOf(column) + 1}`)?.holds(`name${at + 1}`),
  )
  // An UPDATE of a row whose columns are all in names moves it, or does nothing.
  const mayBePlain = names.length === rule.evicts.length && (event !== 'update' || otherColumns(rule).length > 0)
  const [first = "''", ...others] = mayBePlain ? names : []
  const reads: [string, string][] = [
    ['name1', event === 'update' ? ifChanged(rule, texts, first) : `coalesce(${first}, '')`],
  ]
  for (const [at, name] of others.entries()) reads.push([`name${at + 2}`, name])
  for (const [at, column] of (mayBePlain ? days : []).entries()) reads.push([`day${at + 1}`, text(column)])
  const rows = rule.evicts.map((entry, at) => `(${literal(rule.table.written)}, ${placed(entry, `name${at + 1}`)})`)
  const cheap = `IF ${hold.join('\n         AND ')} THEN
        INSERT INTO ${schema.of('feed')} (rule, selector, tag) VALUES ${rows.join(', ')};
        ${wake}
      ELSE
        ${inFullSql(parts)}
      END IF;`
  return `SELECT ${reads.map(([, sql]) => sql).join(', ')}
      INTO ${reads.map(([variable]) => variable).join(', ')} FROM ${source[event]};
    IF name1 IS NOT NULL THEN
      ${mayBePlain ? cheap : inFullSql(parts)}
    END IF;`
}

/** A row in which columns differ that names are made of has two of them. */
function ifChanged(rule: WatchRule, texts: ColumnTexts, name: string): string {
  const differ = (columns: readonly string[]) => columns.map(texts.differs).join(' OR ')
  const named = namedColumns(rule)
  const others = otherColumns(rule)
  return `CASE${named.length > 0 ? ` WHEN ${differ(named)} THEN ''` : ''}${
    others.length > 0 ? ` WHEN ${differ(others)} THEN coalesce(${name}, '')` : ''
  } END`
}

/** What the row names as it is and as it was, whatever its values are. */
function inFullSql({ schema, rule, event, texts, wakeIfAny }: OneRowParts): string {
  const sides = { insert: ['new_rows.'], update: ['new_rows.', 'old_rows.'], delete: ['old_rows.'] }[event]
  const names = sides.flatMap((side) =>
    rule.evicts.map((entry) => `(${namedSql(schema, entry, (column) => texts.text(side, column))})`),
  )
  return `INSERT INTO ${schema.of('feed')} (rule, selector, tag)
        SELECT DISTINCT ${literal(rule.table.written)}, named.selector, named.tag
          FROM ${source[event]}, LATERAL (VALUES ${names.join(', ')}) AS named(selector, tag)
         WHERE ${usableSql};
        ${wakeIfAny}`
}

const placed = (entry: EvictEntry, name: string) => (entry.kind === 'route' ? `${name}, NULL` : `NULL, ${name}`)

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}${at + 1}`)

/** The columns that names are made of, and the others. */
const namedColumns = (rule: WatchRule): string[] => [...new Set(rule.evicts.flatMap(columnsOf))]
const otherColumns = (rule: WatchRule): string[] =>
  rule.columns.filter((column) => !namedColumns(rule).includes(column))

/** Those that a name takes the year, month or day of: whether they hold one is seen of the values themselves. */
function dayColumns(rule: WatchRule): string[] {
  const columns = rule.evicts.flatMap((entry) =>
    entry.kind === 'tag'
      ? []
      : parametersOf(entry.route).flatMap(({ name, isDay }) => (isDay ? (entry.columns[name] ?? []) : [])),
  )
  return [...new Set(columns)]
}
