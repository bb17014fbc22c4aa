/**
 * The look at the store that comes first, in the very moment of a call: the common hit is answered by it without a
 * promise. What cannot be answered at once takes the long way (read-through.ts), which is handed the look, so that
 * the store is not asked twice, and a fault of it is met, timed and reported where all others are.
 */
import type { Clock } from './clock.js'
import type { Awaitable, KeptPage, Store } from './store.js'

/** What a store has answered to `get`: gives that, or throws what the store threw. */
export type Look = () => Awaitable<KeptPage | undefined>

export function lookNow(store: Store, key: string): Look {
  try {
    const page = store.get(key)
    // Nobody may come to take it: a key that cannot be used is not looked for.
    if (page instanceof Promise) page.catch(() => undefined)
    return () => page
  } catch (thrown) {
    return () => {
      throw thrown
    }
  }
}

/** The page of a look, if it is there and fresh, and nobody is to refresh it before its time. */
export function pageAtHand(look: Look, clock: Clock, earlyRefresh: () => number): KeptPage | undefined {
  let page: Awaitable<KeptPage | undefined>
  try {
    page = look()
  } catch {
    return undefined
  }
  if (page === undefined || page instanceof Promise) return undefined
  if (page.expiresAtMs === undefined) return page
  return page.expiresAtMs > clock.now() && earlyRefresh() === 0 ? page : undefined
}
