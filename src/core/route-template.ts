/**
 * A route's template, read: segments of literals, values and parts of days, and the expression that
 * reads keys back. What could not be read back unambiguously is refused here, when the route is made.
 */
import { PagekeepError } from './errors.js'
import { keyProblem } from './key.js'
import type { SegmentStyle } from './segment.js'

export type DayToken = 'YYYY' | 'MM' | 'DD'

export type TemplatePart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'value'; readonly name: string; readonly style: SegmentStyle }
  | { readonly kind: 'day'; readonly name: string; readonly token: DayToken }

export interface RouteTemplate {
  readonly segments: readonly (readonly TemplatePart[])[]
  /** The parameters, each once, in order. */
  readonly names: readonly string[]
  /** Matches logical keys; one group a value or part of a day, in order. */
  readonly expression: RegExp
}

type RawPart =
  | { kind: 'literal'; text: string }
  | { kind: 'value'; name: string }
  | { kind: 'day'; name: string; token: DayToken }

export function readTemplate(template: string, escapesUpperCase: boolean): RouteTemplate {
  if (typeof template !== 'string')
    throw new TypeError(`Expected a route's template to be a string, got ${typeof template}`)
  const fail = (problem: string): never => {
    throw new PagekeepError('route-invalid', `The route "${template}" cannot be used: ${problem}.`)
  }
  const names: string[] = []
  const parts = template
    .split(/(\{[^{}]*\})/)
    .flatMap((text): RawPart[] => (text.startsWith('{') ? readParameter(text, names, fail) : readLiteral(text, fail)))
  const raw = splitSegments(parts)
  const problem = keyProblem(raw.map((segment) => segment.map(sampleOf).join('')).join('/'))
  if (problem !== undefined) fail(problem)
  const segments = raw.map((segment) => styleSegment(segment, escapesUpperCase, fail))
  return { segments, names, expression: new RegExp(`^${segments.map(expressionOf).join('/')}$`, 's') }
}

function readParameter(text: string, names: string[], fail: (problem: string) => never): RawPart[] {
  const [, name, format] =
    /^\{([A-Za-z_]\w*)(?::(.*))?\}$/.exec(text) ?? fail(`"${text}" is not {name} or {name:YYYY/MM/DD}`)
  if (name === undefined) return []
  if (names.includes(name)) fail(`it has the parameter "${name}" twice`)
  names.push(name)
  if (format === undefined) return [{ kind: 'value', name }]
  const tokens = format.match(/YYYY|MM|DD/g) ?? []
  if ([...tokens].sort().join() !== 'DD,MM,YYYY') {
    fail(`the format "${format}" of "${name}" needs YYYY, MM and DD, each once`)
  }
  return format
    .split(/(YYYY|MM|DD)/)
    .flatMap((piece): RawPart[] =>
      /^(YYYY|MM|DD)$/.test(piece) ? [{ kind: 'day', name, token: piece as DayToken }] : readLiteral(piece, fail),
    )
}

function readLiteral(text: string, fail: (problem: string) => never): RawPart[] {
  const reserved = /[{}%~]/.exec(text)
  if (reserved !== null) fail(`"${reserved[0]}" may not stand in its literal text`)
  return text === '' ? [] : [{ kind: 'literal', text }]
}

function splitSegments(parts: readonly RawPart[]): RawPart[][] {
  const segments: RawPart[][] = [[]]
  for (const part of parts) {
    if (part.kind !== 'literal') {
      segments.at(-1)?.push(part)
      continue
    }
    for (const [index, text] of part.text.split('/').entries()) {
      if (index > 0) segments.push([])
      if (text !== '') segments.at(-1)?.push({ kind: 'literal', text })
    }
  }
  return segments
}

function sampleOf(part: RawPart): string {
  if (part.kind === 'literal') return part.text
  return part.kind === 'value' ? 'x' : part.token
}

/** Values of one segment are told apart by what stands between them: its first character is kept out of all of them. */
function styleSegment(
  segment: readonly RawPart[],
  escapesUpperCase: boolean,
  fail: (problem: string) => never,
): TemplatePart[] {
  let separators = ''
  for (const [index, part] of segment.entries()) {
    const before = segment[index - 1]
    if (index === 0 || part.kind === 'literal' || before === undefined) continue
    if (before.kind === 'literal') {
      if (segment.slice(0, index - 1).some((earlier) => earlier.kind !== 'literal')) separators += before.text[0]
    } else if (before.kind === 'value' || part.kind === 'value') {
      fail(`"${before.name}" and "${part.name}" have nothing between them`)
    }
  }
  const separator = [...separators].find((character) => /[0-9a-f]/i.test(character))
  if (separator !== undefined) {
    fail(`what stands between two parameters may not start with a hexadecimal digit ("${separator}")`)
  }
  const style: SegmentStyle = { separators, escapesUpperCase }
  return segment.map((part) => (part.kind === 'value' ? { ...part, style } : part))
}

function expressionOf(segment: readonly TemplatePart[]): string {
  return segment
    .map((part) => {
      if (part.kind === 'literal') return escapeExpression(part.text)
      if (part.kind === 'day') return part.token === 'YYYY' ? '(\\d{4})' : '(\\d\\d)'
      return `([^/${escapeExpression(part.style.separators)}]+)`
    })
    .join('')
}

function escapeExpression(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}
