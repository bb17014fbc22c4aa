/** What a cache is told, for all pages and for one. */
import type { Clock } from './clock.js'
import type { FreshnessOptions } from './freshness.js'
import type { RenderSlotsOptions } from './render-slots.js'
import type { Store } from './store.js'

/** What a cache is made of; the freshness options are the defaults of its pages. */
export interface CacheOptions extends FreshnessOptions, RenderSlotsOptions {
  /** Where pages are kept. */
  readonly store: Store
  /**
   * How long an asynchronous store may take for one answer, in milliseconds; after that the page is
   * rendered and served without it. Default 2000.
   */
  readonly storeTimeoutMs?: number
  /**
   * How far behind the database kept pages may be, in milliseconds. A cache that has not heard from its
   * invalidator for longer is blind: it renders through, emits `blind`, and returns to normal by itself.
   * Needs an invalidator that leaves a sign of life. Default: kept pages are served whatever happens.
   */
  readonly maxLagMs?: number
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** Numbers from 0 to below 1, for `ttlJitter` and `earlyRefresh`. Default `Math.random`. */
  readonly random?: () => number
}

/** For one page, over what the cache says. */
export interface RenderOptions extends FreshnessOptions {
  /** Tags that are known before the render. */
  readonly tags?: readonly string[]
}

/** For one answer that may be bytes though text was kept. */
export interface BytesOptions extends RenderOptions {
  readonly asBytes: true
  /** A large page may be answered with `streamed` and an empty body. Default `false`. */
  readonly mayStream?: boolean
}

/** Throws a `TypeError` for what is no store. */
export function checkStore(store: unknown): void {
  if (typeof (store as Store | undefined)?.begin === 'function') return
  throw new TypeError(`Expected a store, such as new MemoryStore(), got ${store === null ? 'null' : typeof store}`)
}

/** Throws a `TypeError` where the store cannot do what `showEvictedMs` asks for. */
export function checkShowsEvicted<Options extends FreshnessOptions>(
  options: Options,
  { name, capabilities }: Store,
): Options {
  if (!options.showEvictedMs || capabilities.keepsEvicted) return options
  throw new TypeError(
    `Expected no showEvictedMs for the store "${name}": it cannot show evicted pages (capabilities.keepsEvicted). ` +
      'Leave it out, or use a store that can, such as the disk or memory store.',
  )
}
