/** What an HTTP cache is told, with its defaults, checked. */
import type { PageCache } from '../core/cache.js'
import { type Clock, systemClock } from '../core/clock.js'
import type { Coding } from './codings.js'
import type { PageKeyOptions } from './page-key.js'
import type { StoringOptions } from './storing.js'

export interface HttpCacheOptions extends PageKeyOptions, Partial<StoringOptions> {
  readonly cache: PageCache
  /**
   * Request fields that a page may `Vary` by, in lower case; `'any'`. A page that varies by another is not kept.
   * `Accept-Encoding` is always allowed. Price: a page for each value. Default: none.
   */
  readonly vary?: readonly string[] | 'any'
  /** The most variants of one path (by query, cookies, `Vary`) that this process keeps. Default 64. */
  readonly maxVariants?: number
  /**
   * Which compressed variants are kept with a page, and sent of those that the store has of it (a `DiskStore` with a
   * `coding`). Default `['br', 'gzip']`; `[]` for none.
   */
  readonly codings?: readonly Coding[]
  /** Pages longer than this go through unkept, in bytes. Default 10 MiB. */
  readonly maxBodyBytes?: number
  /**
   * Keeps a page that its file alone describes (status 200, the usual type, no end) as a plain file, as nginx would
   * serve it, with nginx's `ETag`. Price: no compressed variants of it, but the one that the store may have. Default `false`.
   */
  readonly plain?: boolean
  /**
   * Whether `stale-while-revalidate` and `stale-if-error` of a response (RFC 5861) are obeyed, and `staleIfErrorMs` for
   * those that say nothing. A page past its time may then be shown; never one that was evicted. Default `false`.
   */
  readonly staleDirectives?: boolean
  /**
   * What becomes of a request with `Authorization`: `'pass'` it by the cache, or `'share'` pages that say they may be
   * shared (RFC 9111, 3.5). Default `'pass'`.
   */
  readonly authorization?: 'pass' | 'share'
  /** Whether the tags of a page are sent, for a CDN in front: as `Surrogate-Key` (Fastly, Varnish), `Cache-Tag` (Cloudflare). Default: neither. */
  readonly emitTags?: readonly ('Surrogate-Key' | 'Cache-Tag')[]
  /** Default: the machine's clock. Give the cache's own, if it has another. */
  readonly clock?: Clock
}

export type Settings = Required<
  Omit<HttpCacheOptions, 'key' | 'query' | 'ignoredQuery' | 'cookies' | 'ignoredCookies'>
> &
  PageKeyOptions

/** Throws a `TypeError` or `RangeError` for unsuitable options. */
export function checkSettings(options: HttpCacheOptions): Settings {
  if (typeof options?.cache?.answer !== 'function') {
    throw new TypeError('Expected cache to be a PageCache, as createCache() makes it')
  }
  if (options.hosts !== 'any' && !(Array.isArray(options.hosts) && options.hosts.length > 0)) {
    throw new TypeError(
      `Expected hosts to be a list such as ['www.example.org'], or 'any', got ${String(options.hosts)}`,
    )
  }
  for (const name of ['maxVariants', 'maxBodyBytes', 'negativeTtlMs', 'staleIfErrorMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) {
      throw new RangeError(`Expected ${name} to be a number, 0 or more, got ${String(value)}`)
    }
  }
  return {
    vary: [],
    maxVariants: 64,
    codings: ['br', 'gzip'],
    maxBodyBytes: 10 * 1024 * 1024,
    plain: false,
    staleDirectives: false,
    authorization: 'pass',
    emitTags: [],
    name: 'pagekeep',
    clock: systemClock,
    unsaid: 'until-evicted',
    targets: ['CDN-Cache-Control'],
    negativeTtlMs: 0,
    staleIfErrorMs: 0,
    ...options,
  }
}
