/**
 * How a trigger's function reads columns, in one of two ways: as all values are cast, which needs settings that are
 * fixed for the function, or by the functions of migration 5, which need none for the usual types.
 *
 * All values are compared and taken as text, so that types without equality (json, xml, point) serve as
 * well as others, and what is equal but reads otherwise (1.0 and 1.00, citext) counts as changed.
 */
import type { FeedRule } from '../watch.js'
import { identifier, type SchemaName } from './quoting.js'

export interface ColumnTexts {
  /** `of`: where the column is, such as `new_rows.`. */
  text(of: string, column: string): string
  /** Whether a column of `new_rows` reads otherwise in `old_rows`; never NULL. */
  differs(column: string): string
}

export const castTexts: ColumnTexts = {
  text: (of, column) => `(${of}${identifier(column)})::text COLLATE "C"`,
  differs: (column) => `${castTexts.text('new_rows.', column)} IS DISTINCT FROM ${castTexts.text('old_rows.', column)}`,
}

export function plainTexts(schema: SchemaName): ColumnTexts {
  return {
    text: (of, column) => `${schema.of('text_of')}(${of}${identifier(column)}) COLLATE "C"`,
    differs: (column) => `${schema.of('differ')}(new_rows.${identifier(column)}, old_rows.${identifier(column)})`,
  }
}

/** The columns of a rule as text, in its order, as `c1`, `c2`, ... */
export function columnsSql(texts: ColumnTexts, rule: FeedRule, of: string): string {
  return rule.columns.map((column, index) => `${texts.text(of, column)} AS c${index + 1}`).join(', ')
}
