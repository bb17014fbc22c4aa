/**
 * The look at the store that comes first, in the very moment of a call: the common hit is answered by it without a
 * promise. What cannot be answered at once takes the long way (read-through.ts), which is handed the look, so that
 * the store is not asked twice, and a fault of it is met, timed and reported where all others are.
 */
import type { Clock } from './clock.js'
import type { FreshnessOptions } from './freshness.js'
import type { Awaitable, GetOptions, KeptPage, Store } from './store.js'

/** What the store answered in the first moment: a page or none, at once or later; or nothing, since it was not asked. */
export type FirstLook = Awaitable<KeptPage | undefined> | typeof notTaken

/** The first look at a page that could not be taken at once, or may not be. */
export const notTaken = Symbol('not taken')

export function takeLook(store: Store, key: string, options?: GetOptions): FirstLook {
  let page: Awaitable<KeptPage | undefined>
  try {
    page = store.get(key, options)
  } catch (thrown) {
    page = Promise.reject(thrown)
  }
  // Nobody may come to take it: a key that cannot be used is not looked for.
  if (page instanceof Promise) page.catch(() => undefined)
  return page
}

/** The page, if it is there and fresh, and nobody is to refresh it before its time. */
export function pageAtHand(
  look: FirstLook,
  clock: Clock,
  defaults: FreshnessOptions,
  options: FreshnessOptions | undefined,
): KeptPage | undefined {
  if (look === undefined || look === notTaken || look instanceof Promise) return undefined
  if (look.expiresAtMs === undefined) return look
  const { earlyRefresh = 0 } = options === undefined ? defaults : { ...defaults, ...options }
  return look.expiresAtMs > clock.now() && earlyRefresh === 0 ? look : undefined
}
