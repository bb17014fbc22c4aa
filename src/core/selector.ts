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
  const isDeep = text === '**' || text.endsWith('/**')
  const named = isDeep ? text.slice(0, -'/**'.length) : text
  const problem = text === '**' || isUsual(named) ? undefined : patternProblem(named)
  if (problem !== undefined) throw invalid(text, problem)
  return new Pattern(text, named, isDeep)
}

const usual = /^[A-Za-z0-9_+@,=%~*-][A-Za-z0-9_.+@,=%~*-]*(?:\/[A-Za-z0-9_+@,=%~*-][A-Za-z0-9_.+@,=%~*-]*)*$/

/** What most selectors look like, and breaks no rule; found in one look, since an invalidator reads thousands. */
function isUsual(text: string): boolean {
  return text.length <= maxSegmentBytes && usual.test(text) && !text.includes('**')
}

function patternProblem(named: string): string | undefined {
  return named
    .split('/')
    .map(patternSegmentProblem)
    .find((found) => found !== undefined)
}

function patternSegmentProblem(segment: string): string | undefined {
  if (segment.includes('**')) return '"**" may only stand alone, as the last segment'
  // A "*" counts as one plain character here: what is around it must still be a proper segment.
  const literal = segment.replaceAll('*', 'x')
  if (segment.includes('*') && literal.length > 240) return textProblem(segment, 3000)
  return keyProblem(literal)
}

class Pattern implements PatternSelector {
  readonly kind = 'pattern'
  readonly text: string
  readonly directory: string
  readonly isSubtree: boolean
  readonly #named: string
  readonly #isDeep: boolean
  #segments: readonly SegmentMatcher[] | undefined

  constructor(text: string, named: string, isDeep: boolean) {
    this.text = text
    this.#named = named
    this.#isDeep = isDeep
    const firstWild = text.indexOf('*')
    // The last segment of a flat pattern is a file name, never a directory to start from.
    this.directory = text.slice(0, Math.max(0, text.lastIndexOf('/', firstWild)))
    this.isSubtree = isDeep && firstWild === text.length - '**'.length
  }

  matches(key: string): boolean {
    if (this.#isOfOneDirectory && !key.includes('~')) {
      const cut = key.lastIndexOf('/')
      return key.slice(0, Math.max(0, cut)) === this.directory && this.#wanted.at(-1)?.(key.slice(cut + 1)) === true
    }
    const segments = joinPieces(key).split('/')
    const levels = this.#wanted.length
    const fits = this.#isDeep ? segments.length > levels : segments.length === levels
    return fits && this.#agrees(segments, levels)
  }

  mayReachInto(directory: string): boolean {
    if (directory === '') return true
    const segments = joinPieces(`${directory}/`).split('/')
    segments.pop()
    const complete = directory.endsWith('~') ? segments.length - 1 : segments.length
    return (this.#isDeep || complete < this.#wanted.length) && this.#agrees(segments, complete)
  }

  /** Only its last segment has wild cards, and none of them is cut into pieces. */
  get #isOfOneDirectory(): boolean {
    return !this.#isDeep && !this.text.includes('/', this.directory.length + 1) && !this.text.includes('~')
  }

  /** Made when it is first asked: most evictions find nothing to compare. */
  get #wanted(): readonly SegmentMatcher[] {
    this.#segments ??= this.#named === '' ? [] : joinPieces(this.#named).split('/').map(segmentMatcher)
    return this.#segments
  }

  #agrees(segments: readonly string[], count: number): boolean {
    const wanted = this.#wanted
    for (let at = 0; at < Math.min(count, wanted.length); at++) {
      if (!wanted[at]?.(segments[at] ?? '')) return false
    }
    return true
  }
}

type SegmentMatcher = (actual: string) => boolean

function segmentMatcher(segment: string): SegmentMatcher {
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
