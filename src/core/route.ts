/**
 * A route: a typed template of keys, `daily/{date:YYYY/MM/DD}.daily.{branch}`.
 *
 * The application that keeps a page and the rule that evicts it use the same route, so they cannot
 * disagree about a name. It makes keys, patterns (parameters left out become `*`) and reads keys back.
 * How values are written into segments is in segment.ts.
 */
import { checkKey } from './key.js'
import { type RouteTemplate, readTemplate } from './route-template.js'
import { cutSegment, decodeValue, encodeValue, joinPieces } from './segment.js'

/** `{name}` takes a text or a number; `{name:YYYY/MM/DD}` a day, written `2020-01-08`. */
export type RouteParameters<Template extends string> = {
  readonly [Part in ParametersOf<Template> as NameOf<Part>]: ValueOf<Part>
}
/** What `read` gives back: every parameter as text. */
export type RouteValues<Template extends string> = {
  readonly [Part in ParametersOf<Template> as NameOf<Part>]: string
}

type ParametersOf<Text extends string> = Text extends `${string}{${infer Part}}${infer Rest}`
  ? Part | ParametersOf<Rest>
  : never
type NameOf<Part extends string> = Part extends `${infer Name}:${string}` ? Name : Part
type ValueOf<Part extends string> = Part extends `${string}:${string}` ? string : string | number | bigint

export interface RouteOptions {
  /**
   * `'escape'` writes upper-case letters of values as `%xx`. Needed where the disk does not tell `A` from
   * `a` and values may differ in case only; it makes such names harder to read. Default `'keep'`.
   */
  readonly letterCase?: 'keep' | 'escape'
}

/** A pattern that a route made: `cache.evict` takes it, and rules accept nothing else. */
export class RoutePattern {
  readonly pattern: string
  /** No other object of this shape is taken for one: a text that was written by hand may be misspelt. */
  declare private readonly madeByRoute: true
  constructor(pattern: string) {
    this.pattern = pattern
    Object.freeze(this)
  }
  toString(): string {
    return this.pattern
  }
}

export class Route<Template extends string = string> {
  readonly template: Template
  /** How it writes upper-case letters of values, for those that must write the same names elsewhere. */
  readonly letterCase: 'keep' | 'escape'
  readonly #parsed: RouteTemplate

  constructor(template: Template, options: RouteOptions = {}) {
    this.template = template
    this.letterCase = options.letterCase === 'escape' ? 'escape' : 'keep'
    this.#parsed = readTemplate(template, this.letterCase === 'escape')
    Object.freeze(this)
  }

  /**
   * The key of one page. Throws a `TypeError` for a missing, unknown or unsuitable parameter, and
   * `key-invalid` when the values make it too long.
   */
  key(parameters: RouteParameters<Template>): string {
    const path = this.#write(parameters as Parameters, () => {
      throw new TypeError(`${this}: ${this.#expected(parameters as Parameters)}`)
    })
    return checkKey(path)
  }

  /**
   * The pattern of all pages with these parameters, whatever the others are. A day may be cut short:
   * `2020-01` is its month, `2020` its year.
   */
  pattern(parameters: Partial<RouteParameters<Template>> = {}): RoutePattern {
    return new RoutePattern(this.#write(parameters as Parameters, () => '*'))
  }

  /** The parameters that make `key`, or `undefined` when it is no key of this route. */
  read(key: string): RouteValues<Template> | undefined {
    const found = this.#parsed.expression.exec(joinPieces(key))
    if (found === null) return undefined
    const values: Record<string, string> = {}
    const parts = this.#parsed.segments.flat().filter((part) => part.kind !== 'literal')
    for (const [index, part] of parts.entries()) {
      const text = found[index + 1] ?? ''
      if (part.kind === 'value') {
        const value = decodeValue(text)
        if (value === undefined) return undefined
        values[part.name] = value
      } else {
        const day = (values[part.name] ?? 'YYYY-MM-DD').replace(part.token, text)
        values[part.name] = day
      }
    }
    try {
      const isCanonical = this.key(values as RouteParameters<Template>) === key
      return isCanonical ? (values as RouteValues<Template>) : undefined
    } catch {
      return undefined
    }
  }

  toString(): string {
    return `route("${this.template}")`
  }

  #write(parameters: Parameters, missing: () => string): string {
    for (const name of Object.keys(parameters)) {
      if (!this.#parsed.names.includes(name)) {
        throw new TypeError(`${this}: there is no parameter "${name}"; ${this.#expected(parameters)}`)
      }
    }
    const segments = this.#parsed.segments.map((parts) => {
      const texts = parts.map((part) => {
        if (part.kind === 'literal') return part.text
        const value = parameters[part.name]
        if (value === undefined) return missing()
        return part.kind === 'value'
          ? encodeValue(this.#text(part.name, value), part.style)
          : (this.#day(part.name, value)[part.token] ?? missing())
      })
      const segment = texts.join('')
      return segment.includes('*') ? segment : cutSegment(segment)
    })
    return segments.join('/')
  }

  #text(name: string, value: unknown): string {
    if (typeof value === 'string') return value
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) return String(value)
    throw new TypeError(`${this}: expected ${name} to be a text or a number, got ${describe(value)}`)
  }

  #day(name: string, value: unknown): Partial<Record<'YYYY' | 'MM' | 'DD', string>> {
    const text = typeof value === 'string' ? value : ''
    const found = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(text)
    const isReal = found !== null && isDay(found[1], found[2] ?? '01', found[3] ?? '01')
    if (!isReal) {
      const hint = value instanceof Date ? ' (a Date is an instant; which day it is depends on a time zone)' : ''
      throw new TypeError(`${this}: expected ${name} to be a day such as "2020-01-08", got ${describe(value)}${hint}`)
    }
    const [, year, month, day] = found
    return {
      ...(year !== undefined && { YYYY: year }),
      ...(month !== undefined && { MM: month }),
      ...(day !== undefined && { DD: day }),
    }
  }

  #expected(parameters: Parameters): string {
    const got = Object.keys(parameters).join(', ') || 'none'
    return `expected the parameters ${this.#parsed.names.join(', ') || '(none)'}, got ${got}`
  }
}

type Parameters = Readonly<Record<string, unknown>>

/**
 * Makes a route from its template. Throws `route-invalid` for a template that could not be read back.
 *
 * @example
 * const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}')
 * day.key({ date: '2020-01-08', branch: 'head' }) // => 'daily/2020/01/08.daily.head'
 * day.pattern({ date: '2020-01-08' }).pattern // => 'daily/2020/01/08.daily.*'
 */
export function route<const Template extends string>(template: Template, options?: RouteOptions): Route<Template> {
  return new Route(template, options)
}

function isDay(year = '', month = '', day = ''): boolean {
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(`${year}-${month}-${day}`)
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Date) return `a Date (${Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString()})`
  return value === null ? 'null' : `${typeof value} ${String(value)}`
}
