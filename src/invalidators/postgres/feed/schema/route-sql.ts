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

/** A route's selector where each value is written as it is, and when that is so. */
export interface PlainRoute {
  readonly selector: string
  /** What must hold for `name`, which is that selector, and for the values; NULL: it does not. */
  holds(name: string): string
}

/**
 * The cheap form of `routeSql`, for one look at the whole selector instead of one at each value. `undefined` for a
 * route that does not tell by its selector alone which value ended where, or has long texts of its own.
 */
export function plainRouteSql({ template, letterCase }: RouteText, bound: BoundParameters): PlainRoute | undefined {
  const { segments } = readTemplate(template, letterCase === 'escape')
  const isTold = segments.every((parts) => parts.filter(({ kind }) => kind === 'value').length <= 1)
  const days = new Set<string>()
  // Own texts stand at even places, values at odd ones.
  const texts = ['']
  let pattern = '^'
  let ownBytes = 0
  const addText = (text: string) => {
    texts.push(`${texts.pop() ?? ''}${text}`)
    pattern += escapeExpression(text)
    ownBytes += Buffer.byteLength(text)
  }
  for (const [index, parts] of segments.entries()) {
    if (index > 0) addText('/')
    for (const part of parts) {
      const value = part.kind === 'literal' ? undefined : bound[part.name]
      if (part.kind === 'literal') addText(part.text)
      else if (value === undefined) addText('*')
      else if (part.kind === 'value') {
        texts.push(value, '')
        pattern += usualClasses(part.style).join('')
      } else {
        const [from, length] = dayPlaces[part.token]
        days.add(value)
        texts.push(`substr(${value}, ${from}, ${length})`, '')
        pattern += `[0-9]{${length}}`
        ownBytes += length
      }
    }
  }
  // Then no value has more than 100 characters, and no segment more than 200.
  if (!isTold || ownBytes > 100) return undefined
  const areDays = [...days].map((value) => ` AND ${value} ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'`).join('')
  return {
    selector: joinedSql(texts),
    holds: (name) => `octet_length(${name}) <= ${ownBytes + 100} AND ${name} ~ ${literal(`${pattern}$`)}${areDays}`,
  }
}

/** Own texts, at even places, and values put together: by the cheaper way. What is made of a NULL does not hold. */
function joinedSql(texts: readonly string[]): string {
  const pieces = texts.map((text, at) => (at % 2 === 1 ? text : text && literal(text))).filter((text) => text !== '')
  if (pieces.length <= 3) return pieces.join(' || ')
  const form = texts.map((text, at) => (at % 2 === 1 ? '%s' : text.replaceAll('%', '%%'))).join('')
  const values = texts.filter((_, at) => at % 2 === 1)
  return `format(${literal(form)}, ${values.join(', ')}) COLLATE "C"`
}

const dayPlaces: Record<DayToken, readonly [from: number, length: number]> = { YYYY: [1, 4], MM: [6, 2], DD: [9, 2] }

function escapeExpression(text: string): string {
  return text.replace(/[!-.:-@[-^`{-~ ]/g, '\\$&')
}

function plainCharacters({ separators, escapesUpperCase }: SegmentStyle): string[] {
  const unreserved = `abcdefghijklmnopqrstuvwxyz0123456789_.+@,=-${escapesUpperCase ? '' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'}`
  return [...unreserved].filter((character) => !separators.includes(character))
}

/** Of what a value that stands for itself consists: its first character, which is no dot, and the rest. */
function usualClasses(style: SegmentStyle): [string, string] {
  const plain = plainCharacters(style)
  // "-" goes last, where it means itself.
  const inBrackets = (characters: readonly string[]) =>
    `[${[...characters.filter((character) => character !== '-'), ...characters.filter((character) => character === '-')].join('')}]`
  return [inBrackets(plain.filter((character) => character !== '.')), `${inBrackets(plain)}*`]
}

function usualAndPlain(style: SegmentStyle): string {
  return `${literal(`^${usualClasses(style).join('')}$`)}, ${literal(plainCharacters(style).join(''))}`
}
