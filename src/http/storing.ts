/**
 * May this response be kept, for whom, and for how long? RFC 9111, 3 and 4.2, for a cache that many share;
 * RFC 9213 for fields targeted at caches such as this one. Pure functions of request, response and options.
 *
 * Set-Cookie is stricter here than in the RFC: a response that sets one is never kept.
 */
import { type Directives, parseCacheControl, parseTargeted, secondsOf } from './cache-control.js'
import { parseHttpDate } from './http-date.js'
import { fieldOf, listOf, type OriginResponse, type PageRequest, requestField } from './message.js'

export interface StoringOptions {
  /**
   * What becomes of a response that says nothing of its freshness: `'until-evicted'` keeps it until it is
   * evicted, `'heuristic'` for a tenth of the time since its `Last-Modified` (RFC 9111, 4.2.2), `'never'` not at all.
   */
  readonly unsaid: 'until-evicted' | 'heuristic' | 'never'
  /** The fields that count before Cache-Control, in order. */
  readonly targets: readonly string[]
  /** How long a 404, 405, 410, 414 or 501 without stated freshness is kept, in milliseconds; 0: not at all. */
  readonly negativeTtlMs: number
  /**
   * For how long past its time a page may be shown when the site fails and the page itself says nothing of it, in
   * milliseconds (RFC 9111, 4.2.4); never one that says `must-revalidate` or its like.
   */
  readonly staleIfErrorMs: number
  /** How this cache calls itself. */
  readonly name: string
}

export interface Verdict {
  /** Why it is not kept, as a token for Cache-Status; `undefined` when it is. */
  readonly refusal: string | undefined
  /** Whether those who waited for the same page may have it, kept or not. */
  readonly isShareable: boolean
  /** How long it is fresh, from `ageMs` 0 on; `undefined`: until it is evicted. */
  readonly lifetimeMs: number | undefined
  /** How old it was when it came. */
  readonly ageMs: number
  /** For how long past its time it may be shown while a new one is fetched, and when none can be had. */
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
}

/** Statuses whose meaning for a cache is known here (`must-understand`); never 206 and 304, which are parts. */
const understood = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 410, 414, 451, 500, 501, 502, 503, 504,
])
/** Statuses that may be kept without stated freshness (RFC 9110, 15.1), less 206; and those of them that are refusals. */
const heuristic = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
const negative = new Set([404, 405, 410, 414, 501])
const heuristicMaxMs = 24 * 3600 * 1000

export function judgeResponse(
  request: PageRequest,
  response: OriginResponse,
  options: StoringOptions,
  askedAtMs: number,
  nowMs: number,
): Verdict {
  const { status, headers } = response
  const targeted = options.targets
    .map((name) => parseTargeted(fieldOf(headers, name), options.name))
    .find((directives) => directives !== undefined)
  const directives = targeted ?? parseCacheControl(fieldOf(headers, 'cache-control'))
  const ageMs = ageOf(response, askedAtMs, nowMs)
  const isPublic = directives.has('public')
  const isForced = directives.has('no-cache')
  const stated = statedLifetime(directives, targeted === undefined ? response : undefined, nowMs)
  const lifetimeMs = isForced ? 0 : (stated ?? unsaidLifetime(response, isPublic, options, nowMs))
  const mustRevalidate =
    isForced || ['must-revalidate', 'proxy-revalidate', 's-maxage'].some((name) => directives.has(name))
  const isPersonal = personalRefusal(request, response, directives)
  const refusal = isPersonal ?? partRefusal(status) ?? (lifetimeMs === 'no' ? 'unstated' : undefined)
  const isSpent = lifetimeMs !== undefined && lifetimeMs !== 'no' && lifetimeMs <= ageMs
  const windowMs = (name: string, otherwise: number) => {
    const seconds = secondsOf(directives, name)
    return mustRevalidate ? 0 : seconds === undefined ? otherwise : seconds * 1000
  }
  const staleIfErrorMs = windowMs('stale-if-error', options.staleIfErrorMs)
  const staleWhileRevalidateMs = windowMs('stale-while-revalidate', 0)
  const canBeValidated =
    status === 200 && ['etag', 'last-modified'].some((name) => fieldOf(headers, name) !== undefined)
  const isUseless = isSpent && !canBeValidated && staleIfErrorMs === 0 && staleWhileRevalidateMs === 0
  return {
    refusal: refusal ?? (isUseless ? 'stale' : undefined),
    isShareable: isPersonal === undefined && !isSpent,
    lifetimeMs: lifetimeMs === 'no' ? 0 : lifetimeMs,
    ageMs,
    staleWhileRevalidateMs,
    staleIfErrorMs,
  }
}

/** What keeps a response from everybody but the one who asked. */
function personalRefusal(request: PageRequest, response: OriginResponse, directives: Directives): string | undefined {
  const { status, headers } = response
  if (fieldOf(headers, 'set-cookie') !== undefined) return 'set-cookie'
  if (directives.has('private')) return 'private'
  const mustUnderstand = directives.has('must-understand')
  if (mustUnderstand && !understood.has(status)) return 'must-understand'
  if (directives.has('no-store') && !mustUnderstand) return 'no-store'
  if (listOf(fieldOf(headers, 'vary')).includes('*')) return 'vary'
  const isOpen = ['public', 's-maxage', 'must-revalidate'].some((name) => directives.has(name))
  if (requestField(request, 'authorization') !== undefined && !isOpen) return 'authorization'
  return undefined
}

function partRefusal(status: number): string | undefined {
  return status < 200 || status === 206 || status === 304 ? 'status' : undefined
}

/** What the response says of its freshness; `undefined` when it says nothing. */
function statedLifetime(
  directives: Directives,
  response: OriginResponse | undefined,
  nowMs: number,
): number | undefined {
  const seconds = secondsOf(directives, 's-maxage') ?? secondsOf(directives, 'max-age')
  if (seconds !== undefined) return seconds * 1000
  const expires = response === undefined ? undefined : fieldOf(response.headers, 'expires')
  if (response === undefined || expires === undefined) return undefined
  const untilMs = parseHttpDate(expires)
  if (untilMs === undefined) return 0
  return Math.max(0, untilMs - (parseHttpDate(fieldOf(response.headers, 'date')) ?? nowMs))
}

function unsaidLifetime(
  { status, headers }: OriginResponse,
  isPublic: boolean,
  options: StoringOptions,
  nowMs: number,
): number | 'no' | undefined {
  if (!heuristic.has(status) && !isPublic) return 'no'
  if (options.unsaid === 'never') return 0
  if (options.unsaid === 'until-evicted') {
    if (!negative.has(status)) return undefined
    return options.negativeTtlMs > 0 ? options.negativeTtlMs : 'no'
  }
  const modifiedMs = parseHttpDate(fieldOf(headers, 'last-modified'))
  if (modifiedMs === undefined) return 0
  const sinceMs = (parseHttpDate(fieldOf(headers, 'date')) ?? nowMs) - modifiedMs
  return Math.min(Math.max(0, sinceMs / 10), heuristicMaxMs)
}

/** RFC 9111, 4.2.3: how old the response is. Of several Ages the first counts, one that is no number does not (5.1). */
function ageOf({ headers }: OriginResponse, askedAtMs: number, nowMs: number): number {
  const value = fieldOf(headers, 'age')?.split(',')[0]?.trim() ?? ''
  const statedMs = /^\d+$/.test(value) ? Math.min(Number(value), 2 ** 31) * 1000 : 0
  const dateMs = parseHttpDate(fieldOf(headers, 'date')) ?? nowMs
  const apparentMs = Math.max(0, nowMs - dateMs)
  // Dates are whole seconds: what is younger than one is not old.
  return Math.max(apparentMs < 1000 ? 0 : apparentMs, statedMs + nowMs - askedAtMs)
}
