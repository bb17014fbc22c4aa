/**
 * A route as an expression of SQL: the same key or pattern that `route.key()` and `route.pattern()` make.
 *
 * A parameter without a column is `*`, and so is one whose column is NULL: a page of it cannot exist,
 * since a parameter is never null, and over-evicting is allowed where losing is not.
 */
import { type DayToken, readTemplate, type TemplatePart } from '../../../../core/route-template.js'
import { cutSegment, type SegmentStyle } from '../../../../core/segment.js'
import { literal, type SchemaName } from './quoting.js'

/** What is read of a route; also that of the other of the ESM and CJS builds. */
export interface RouteText {
  readonly template: string
  readonly letterCase: 'keep' | 'escape'
}

/** An SQL expression for each bound parameter: its value as text. */
export type BoundParameters = Readonly<Record<string, string>>

/** The parameters of a route, and which of them are days. */
export function parametersOf({ template, letterCase }: RouteText): { name: string; isDay: boolean }[] {
  const { segments, names } = readTemplate(template, letterCase === 'escape')
  const days = new Set(segments.flat().flatMap((part) => (part.kind === 'day' ? [part.name] : [])))
  return names.map((name) => ({ name, isDay: days.has(name) }))
}

/** The literal texts of a route, put together. */
export function literalsOf({ template, letterCase }: RouteText): string {
  const parts = readTemplate(template, letterCase === 'escape').segments.flat()
  return parts.map((part) => (part.kind === 'literal' ? part.text : '')).join('')
}

/** The expression of the key, or of the pattern when a parameter is not bound. */
export function routeSql(schema: SchemaName, route: RouteText, bound: BoundParameters): string {
  const { segments } = readTemplate(route.template, route.letterCase === 'escape')
  return segments.map((parts) => segmentSql(schema, parts, bound)).join(" || '/' || ")
}

function segmentSql(schema: SchemaName, parts: readonly TemplatePart[], bound: BoundParameters): string {
  if (parts.every((part) => part.kind === 'literal')) {
    return literal(cutSegment(parts.map((part) => (part.kind === 'literal' ? part.text : '')).join('')))
  }
  const texts = parts.map((part) => partSql(schema, part, bound)).join(' || ')
  const isWhole = parts.every((part) => part.kind === 'literal' || bound[part.name] !== undefined)
  return isWhole ? `${schema.of('cut_segment')}(${texts})` : `(${texts})`
}

function partSql(schema: SchemaName, part: TemplatePart, bound: BoundParameters): string {
  if (part.kind === 'literal') return literal(part.text)
  const value = bound[part.name]
  if (value === undefined) return "'*'"
  const written =
    part.kind === 'day'
      ? `${schema.of('day_part')}(${value}, ${dayParts[part.token]})`
      : `${schema.of('encode_value')}(${value}, ${usualAndPlain(part.style)})`
  return `coalesce(${written}, '*')`
}

const dayParts: Record<DayToken, number> = { YYYY: 1, MM: 2, DD: 3 }

function usualAndPlain({ separators, escapesUpperCase }: SegmentStyle): string {
  const unreserved = `abcdefghijklmnopqrstuvwxyz0123456789_.+@,=-${escapesUpperCase ? '' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'}`
  const plain = [...unreserved].filter((character) => !separators.includes(character))
  // "-" goes last, where it means itself.
  const inBrackets = (characters: readonly string[]) =>
    `[${[...characters.filter((character) => character !== '-'), ...characters.filter((character) => character === '-')].join('')}]`
  const first = inBrackets(plain.filter((character) => character !== '.'))
  return `${literal(`^${first}${inBrackets(plain)}*$`)}, ${literal(plain.join(''))}`
}
