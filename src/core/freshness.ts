/**
 * How long a page is fresh, and what may still be done with one that no longer is. Pure functions of the
 * page, the options and the time.
 *
 * None of this touches the promises about evictions: an evicted page is gone from the store, so it is
 * never "stale" in the sense of this file. What is shown here beyond its time has merely expired. The one
 * exception is asked for by its name, `showEvictedMs`, and is judged elsewhere (read-through.ts).
 * Sources: RFC 5861 (stale-while-revalidate, stale-if-error); Vattani, Chierichetti, Lowenstein,
 * "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015 (early refresh, "XFetch").
 */
import type { KeptPage } from './store.js'

export interface FreshnessOptions {
  /** How long a page is fresh, in milliseconds from the start of its render. Default: until it is evicted. */
  readonly ttlMs?: number
  /**
   * Shortens each page's time by a random part of up to this fraction (0 to 1), so that pages kept together
   * do not expire together. Default 0.
   */
  readonly ttlJitter?: number
  /**
   * For this long after its time an expired page is answered at once, while one caller's render replaces it
   * in the background (RFC 5861). Default 0: callers wait for the new page.
   */
  readonly staleWhileRevalidateMs?: number
  /** For this long after its time an expired page is answered when the render fails (RFC 5861). Default 0. */
  readonly staleIfErrorMs?: number
  /**
   * Lets a caller refresh a page in the background shortly before its time, the likelier the nearer it is and
   * the longer the page takes to render. 1 is the usual strength, more is earlier. Default 0: off.
   */
  readonly earlyRefresh?: number
  /**
   * After so many milliseconds of rendering, callers for whom an expired page may be shown (see
   * `staleIfErrorMs`) get that one; the render goes on. Default: they wait.
   */
  readonly softTimeoutMs?: number
  /**
   * After so many milliseconds a render is given up: its `signal` is aborted, and it counts as failed with
   * `render-timeout`. Default: never.
   */
  readonly renderTimeoutMs?: number
  /** How long a page is fresh whose render called `context.negative()`. Default 0: it is not kept. */
  readonly negativeTtlMs?: number
  /**
   * For this long after its *eviction* a page may still be shown, while one caller's render replaces it in the
   * background. Default 0: never.
   *
   * The price is P2, for such pages and that long: callers are given a page that is known to be stale. P1 stands:
   * the page leaves its place as ever (web servers, `get` and `keys` do not see it) and is never kept again. Only
   * pages that were kept with this option are shown, and only to callers who give it; of the two times the shorter
   * counts. No page is made of one, nothing is shown after an eviction of `**`, nor once the page has expired or
   * the cache is blind. Needs a store that `keepsEvicted`. Decision 0018.
   */
  readonly showEvictedMs?: number
}

/**
 * - `fresh`: answer it.
 * - `refresh`: answer it, and let one caller render anew in the background.
 * - `spare`: only when the render fails or takes too long.
 * - `dead`: as if it were not there.
 */
export type Verdict = 'fresh' | 'refresh' | 'spare' | 'dead'

/** What may be done with `page` at `nowMs`; `random` gives numbers from 0 to below 1. */
export function judge(page: KeptPage, options: FreshnessOptions, nowMs: number, random: () => number): Verdict {
  if (page.expiresAtMs === undefined) return 'fresh'
  const overdueMs = nowMs - page.expiresAtMs
  if (overdueMs < 0) {
    const strength = options.earlyRefresh ?? 0
    if (strength === 0 || page.renderMs === undefined) return 'fresh'
    // A number from 0 to below 1 must not become the logarithm of 0.
    const leadMs = -page.renderMs * strength * Math.log(1 - random())
    return -overdueMs <= leadMs ? 'refresh' : 'fresh'
  }
  if (overdueMs < (options.staleWhileRevalidateMs ?? 0)) return 'refresh'
  return overdueMs < (options.staleIfErrorMs ?? 0) ? 'spare' : 'dead'
}

/** When a page that began at `beganAtMs` is no longer fresh. */
export function expiryOf(
  ttlMs: number | undefined,
  jitter: number,
  beganAtMs: number,
  random: () => number,
): number | undefined {
  if (ttlMs === undefined || ttlMs === Number.POSITIVE_INFINITY) return undefined
  return beganAtMs + Math.max(1, Math.round(ttlMs * (1 - jitter * random())))
}

/** Returns `options`, or throws a `RangeError` that names the one that is wrong. */
export function checkFreshness<Options extends FreshnessOptions>(options: Options): Options {
  for (const name of ['ttlMs', 'softTimeoutMs', 'renderTimeoutMs'] as const) checkDuration(options[name], name)
  for (const name of ['staleWhileRevalidateMs', 'staleIfErrorMs', 'earlyRefresh', 'negativeTtlMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) {
      throw new RangeError(`Expected ${name} to be a number, 0 or more, got ${String(value)}`)
    }
  }
  const { ttlJitter, showEvictedMs = 0 } = options
  if (!(Number.isFinite(showEvictedMs) && showEvictedMs >= 0)) {
    throw new RangeError(`Expected showEvictedMs to be a finite number, 0 or more, got ${String(showEvictedMs)}`)
  }
  if (ttlJitter !== undefined && !(ttlJitter >= 0 && ttlJitter <= 1)) {
    throw new RangeError(`Expected ttlJitter to be a fraction from 0 to 1, got ${String(ttlJitter)}`)
  }
  return options
}

/** Returns `durationMs`, or throws a `RangeError` that names it. */
export function checkDuration<Duration extends number | undefined>(durationMs: Duration, name: string): Duration {
  if (durationMs === undefined || (typeof durationMs === 'number' && durationMs > 0)) return durationMs
  throw new RangeError(`Expected ${name} to be a positive number of milliseconds, got ${String(durationMs)}`)
}
