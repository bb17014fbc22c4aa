/**
 * Requests and responses as this layer sees them, free of any framework: the adapters translate.
 *
 * Fields keep their order, spelling and repetitions, since a cache must hand on what it was given (RFC 9110, 5).
 */
import type { Readable } from 'node:stream'
import type { RenderContext } from '../core/render-context.js'
import type { PageBody } from '../core/store.js'

/** One header field line. */
export type Field = readonly [name: string, value: string]
export type Fields = readonly Field[]

/** What is asked for. */
export interface PageRequest {
  readonly method: string
  /** Path and query, as on the request line: `/ports/?page=2`. */
  readonly url: string
  /** By lower-case name, as `IncomingMessage.headers` has them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** What the site answers. */
export interface OriginResponse {
  readonly status: number
  readonly headers: Fields
  readonly body: PageBody
}

/** How the site is to be asked, so that what it answers may be kept for others. */
export interface OriginCall {
  /** The URL without the query parameters that make no difference. */
  readonly url: string
  /** The cookies by which pages differ; no others, for they may tell who the visitor is. */
  readonly cookie: string | undefined
  /** The validators of a kept page past its time: if they still hold, 304 is answer enough. */
  readonly validators: { readonly etag?: string; readonly lastModified?: string }
  /** Tags, times and whether to keep: the render's own say. */
  readonly context: RenderContext
}

/**
 * Asks the site for one page: always as a GET, without conditions, ranges or encodings of the visitor's.
 * `'passed'` says that the answer went another way (a stream too long to be kept) and is dealt with.
 */
export type Origin = (call: OriginCall) => Promise<OriginResponse | 'passed'>

/**
 * What an adapter does next.
 *
 * - `page`: send this.
 * - `pass`: let the site answer this request itself, with `cacheStatus` as the field `Cache-Status`; before the
 *   end of the answer reaches the visitor, call `afterwards`, where there is one, with what it was.
 * - `passed`: nothing; the adapter's own `origin` has dealt with it.
 */
export type Reply =
  | {
      readonly kind: 'page'
      readonly status: number
      readonly headers: Fields
      /** A stream, of a large page, is read to its end, or destroyed. */
      readonly body: PageBody | Readable | undefined
    }
  | {
      readonly kind: 'pass'
      readonly cacheStatus: string
      readonly afterwards: ((status: number, headers: Fields) => Promise<void>) | undefined
    }
  | { readonly kind: 'passed' }

/** The site gave no answer that others could have: its visitor left, or asked in a way that makes no page. */
export class Unanswered extends Error {
  constructor(reason: string) {
    super(`${reason}; those who waited for the same page ask for themselves.`)
  }
}

/** The value of a field, several lines joined as RFC 9110, 5.3 says; `undefined` when it is not there. */
export function fieldOf(fields: Fields, name: string): string | undefined {
  const lower = name.toLowerCase()
  const values = fields.filter(([other]) => other.toLowerCase() === lower).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

/** The value of a request's field. */
export function requestField(request: PageRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' || value === undefined ? value : value.join(name === 'cookie' ? '; ' : ', ')
}

/** `fields` without those of the given names (in lower case). */
export function without(fields: Fields, names: ReadonlySet<string>): Field[] {
  return fields.filter(([name]) => !names.has(name.toLowerCase()))
}

/** The members of a comma-separated list, empty ones left out. */
export function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
}

/** Fields that concern one connection only, never kept and never handed on (RFC 9110, 7.6.1; RFC 9111, 3.1). */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** `fields` without those of the connection, and those that its `Connection` names. */
export function endToEnd(fields: Fields): Field[] {
  const named = listOf(fieldOf(fields, 'connection')).map((name) => name.toLowerCase())
  return without(fields, new Set([...hopByHop, ...named]))
}
