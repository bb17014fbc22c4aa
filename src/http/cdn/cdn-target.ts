/**
 * A CDN in front of the cache, as a target of evictions: what is evicted here is purged there.
 *
 * Pages are purged by the names in their `Surrogate-Key` or `Cache-Tag` (option `emitTags` of `HttpCache`). A purge that
 * fails is tried again with growing delays, and then the eviction has failed, so that the invalidator repeats it.
 * A CDN too may keep what it fetched before a purge and received after it; so each purge is sent once more after
 * a while. Evict from the cache first and the CDN second, or it fetches the old page again: `both(cache, cdn)`.
 */
import { type Clock, systemClock } from '../../core/clock.js'
import { PagekeepError, reasonOf } from '../../core/errors.js'
import type { EvictionReport } from '../../core/eviction-report.js'
import { checkDuration } from '../../core/freshness.js'
import type { EvictionTarget } from '../../core/invalidator.js'
import { parseSelectors, type SelectorInput } from '../../core/selector.js'
import { namesOf } from '../surrogate-keys.js'

/** How one kind of CDN is told. */
export interface CdnApi {
  /** For messages: `fastly`. */
  readonly name: string
  /** The most names that one call may have. */
  readonly maxNames: number
  /** Drops the pages that bear one of `names`. Rejects when the CDN has not taken the call. */
  purge(names: readonly string[], signal: AbortSignal): Promise<void>
}

export interface CdnTargetOptions {
  readonly api: CdnApi
  /** How often a call is tried. Default 4. */
  readonly attempts?: number
  /** How long to wait before the second attempt, in milliseconds; twice as long before each further one. Default 250. */
  readonly retryDelayMs?: number
  /** How long one call may take, in milliseconds. Default 10 000. */
  readonly timeoutMs?: number
  /**
   * After how long a purge is sent once more, in milliseconds: longer than the CDN waits for this site. `0` for
   * never. Default 5000. It is lost when the process ends before.
   */
  readonly againAfterMs?: number
  /** Told of a repeated purge that failed. Default: nobody. */
  readonly onError?: (error: PagekeepError) => void
  readonly clock?: Clock
}

export class CdnTarget implements EvictionTarget {
  readonly #options: Required<Omit<CdnTargetOptions, 'onError'>> & Pick<CdnTargetOptions, 'onError'>

  /** Throws a `RangeError` for unsuitable options. */
  constructor(options: CdnTargetOptions) {
    const { attempts = 4, retryDelayMs = 250, timeoutMs = 10_000, againAfterMs = 5000, clock = systemClock } = options
    if (!Number.isSafeInteger(attempts) || attempts < 1) {
      throw new RangeError(`Expected attempts to be a positive integer, got ${String(attempts)}`)
    }
    checkDuration(retryDelayMs, 'retryDelayMs')
    checkDuration(timeoutMs, 'timeoutMs')
    if (againAfterMs !== 0) checkDuration(againAfterMs, 'againAfterMs')
    this.#options = { ...options, attempts, retryDelayMs, timeoutMs, againAfterMs, clock }
  }

  /** Resolves when the CDN has taken the purge. Rejects with `evict-failed`; `removed` is 0, for a CDN does not say. */
  async evict(selectors: readonly SelectorInput[]): Promise<EvictionReport> {
    const parsed = parseSelectors(selectors)
    const names = [...new Set(parsed.flatMap(namesOf))]
    await this.#purge(names)
    const { againAfterMs, clock, onError } = this.#options
    if (againAfterMs > 0) {
      clock.setTimer(() => {
        this.#purge(names).catch((error: PagekeepError) => onError?.(error))
      }, againAfterMs)
    }
    return { selectors: parsed.map(({ text }) => text), removed: 0, keys: [], doomed: 0 }
  }

  async #purge(names: readonly string[]): Promise<void> {
    const { maxNames } = this.#options.api
    for (let at = 0; at < names.length; at += maxNames) await this.#call(names.slice(at, at + maxNames))
  }

  async #call(names: readonly string[]): Promise<void> {
    const { api, attempts, retryDelayMs, timeoutMs } = this.#options
    for (let attempt = 1; ; attempt++) {
      try {
        await api.purge(names, AbortSignal.timeout(timeoutMs))
        return
      } catch (cause) {
        if (attempt >= attempts) {
          const message = `The CDN "${api.name}" did not take a purge of ${names.length} names in ${attempts} attempts: ${reasonOf(cause)}. It may show old pages; repeat the eviction.`
          throw new PagekeepError('evict-failed', message, { key: names[0] ?? '', store: api.name, cause })
        }
        await this.#pause(retryDelayMs * 2 ** (attempt - 1))
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(resolve, delayMs))
  }
}
