/**
 * What an eviction names: a key, a subtree (`ports/devel/py-x/**`), a pattern within segments
 * (`daily/2020/01/08.*`) or a tag (`{ tag: 'port:56394' }`).
 *
 * `*` stands for any characters of one segment, `**` (only as the last segment) for everything below.
 * Patterns see logical segments: one that `cutSegment` cut counts as one.
 */
import { PagekeepError } from './errors.js'
import { keyProblem, maxSegmentBytes, textProblem } from './key.js'
import { joinPieces } from './segment.js'

/** The longest tag, in UTF-8 bytes. */
export const maxTagBytes = 500

/** A key, pattern or subtree as text, a tag, or what a route's `pattern()` made. */
export type SelectorInput = string | { readonly tag: string } | { readonly pattern: string }

interface Matching {
  /** As it was written: `daily/2020/**`, `tag:port:1`. */
  readonly text: string
}

export interface KeySelector extends Matching {
  readonly kind: 'key'
  readonly key: string
}

export interface PatternSelector extends Matching {
  readonly kind: 'pattern'
  /** The directory below which all matching keys lie; `''` is the whole store. */
  readonly directory: string
  /** Whether it is all of `directory` (`directory/**`). */
  readonly isSubtree: boolean
  matches(key: string): boolean
  /** Whether a key below `directory` could match: for walks that skip what cannot. */
  mayReachInto(directory: string): boolean
}

export interface TagSelector extends Matching {
  readonly kind: 'tag'
  readonly tag: string
}

/** A selector that has been checked. */
export type Selector = KeySelector | PatternSelector | TagSelector

/** Reads one selector; throws `selector-invalid` or `tag-invalid`. */
export function parseSelector(input: SelectorInput): Selector {
  if (typeof input === 'string') return parseText(input)
  if (typeof input === 'object' && input !== null) {
    if ('tag' in input) return { kind: 'tag', tag: checkTag(input.tag), text: `tag:${input.tag}` }
    if ('pattern' in input) return parseText(input.pattern)
  }
  throw invalid(String(input), 'it is neither a text nor { tag }')
}

/** Reads one selector or many. */
export function parseSelectors(input: SelectorInput | readonly SelectorInput[]): Selector[] {
  return (Array.isArray(input) ? input : [input]).map(parseSelector)
}

/** Returns `tag`, or throws `tag-invalid`. */
export function checkTag(tag: string): string {
  const problem =
    typeof tag !== 'string'
      ? `it is ${typeof tag}, not a string`
      : tag === ''
        ? 'it is empty'
        : textProblem(tag, maxTagBytes)
  if (problem === undefined) return tag
  throw new PagekeepError('tag-invalid', `The tag ${JSON.stringify(tag)} cannot be used: ${problem}.`, {
    key: String(tag),
  })
}

/** Whether it is `**`. */
export function isEverything(selector: Selector): boolean {
  return selector.kind === 'pattern' && selector.isSubtree && selector.directory === ''
}

function parseText(text: string): KeySelector | PatternSelector {
  if (typeof text !== 'string') throw invalid(String(text), `it is ${typeof text}, not a string`)
  if (!text.includes('*')) {
    const problem = isUsual(text) ? undefined : keyProblem(text)
    if (problem !== undefined) throw invalid(text, problem)
    return { kind: 'key', key: text, text }
  }
  const segments = text.split('/')
  const isDeep = segments.at(-1) === '**'
  const named = isDeep ? segments.slice(0, -1) : segments
  const isKnownToBeGood = isUsual(isDeep ? text.slice(0, -'/**'.length) : text)
  const problem = isKnownToBeGood ? undefined : named.map(patternSegmentProblem).find((found) => found !== undefined)
  if (problem !== undefined) throw invalid(text, problem)
  return makePattern(text, named, isDeep)
}

const usual = /^[A-Za-z0-9_+@,=%~*-][A-Za-z0-9_.+@,=%~*-]*(?:\/[A-Za-z0-9_+@,=%~*-][A-Za-z0-9_.+@,=%~*-]*)*$/

/** What most selectors look like, and breaks no rule; found in one look, since an invalidator reads thousands. */
function isUsual(text: string): boolean {
  return text.length <= maxSegmentBytes && usual.test(text) && !text.includes('**')
}

function patternSegmentProblem(segment: string): string | undefined {
  if (segment.includes('**')) return '"**" may only stand alone, as the last segment'
  // A "*" counts as one plain character here: what is around it must still be a proper segment.
  const literal = segment.replaceAll('*', 'x')
  if (segment.includes('*') && literal.length > 240) return textProblem(segment, 3000)
  return keyProblem(literal)
}

function makePattern(text: string, named: readonly string[], isDeep: boolean): PatternSelector {
  const firstWild = named.findIndex((segment) => segment.includes('*'))
  const isSubtree = isDeep && firstWild === -1
  // The last segment of a flat pattern is a file name, never a directory to start from.
  const literal = named.slice(0, firstWild === -1 ? named.length : firstWild)
  const segmentTexts = joinPieces(named.join('/')).split('/')
  const levels = named.length === 0 ? 0 : segmentTexts.length
  // Made when it is first asked: most evictions find nothing to compare.
  let matchers: ((actual: string) => boolean)[] | undefined

  const agrees = (segments: readonly string[], count: number): boolean => {
    matchers ??= segmentTexts.map(segmentMatcher)
    const wanted = matchers
    for (let at = 0; at < Math.min(count, levels); at++) {
      if (!wanted[at]?.(segments[at] ?? '')) return false
    }
    return true
  }
  return {
    kind: 'pattern',
    text,
    directory: literal.join('/'),
    isSubtree,
    matches(key) {
      const segments = joinPieces(key).split('/')
      const fits = isDeep ? segments.length > levels : segments.length === levels
      return fits && agrees(segments, levels)
    },
    mayReachInto(directory) {
      if (directory === '') return true
      const segments = joinPieces(`${directory}/`).split('/')
      segments.pop()
      const complete = directory.endsWith('~') ? segments.length - 1 : segments.length
      return (isDeep || complete < levels) && agrees(segments, complete)
    },
  }
}

function segmentMatcher(segment: string): (actual: string) => boolean {
  if (!segment.includes('*')) return (actual) => actual === segment
  const [before = '', after = '', ...others] = segment.split('*')
  if (others.length === 0) {
    const least = before.length + after.length
    return (actual) => actual.length >= least && actual.startsWith(before) && actual.endsWith(after)
  }
  const source = segment.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const expression = new RegExp(`^${source.join('[^/]*')}$`, 'su')
  return (actual) => expression.test(actual)
}

function invalid(text: string, problem: string): PagekeepError {
  return new PagekeepError(
    'selector-invalid',
    `The selector ${JSON.stringify(text)} cannot be used: ${problem}. ` +
      'Write a key, a subtree ("a/b/**"), a pattern ("a/b.*") or { tag }.',
    { key: text },
  )
}
