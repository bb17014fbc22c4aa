/**
 * Looks at a kept page whatever its age, within a render that is to replace it: its validators save the site the
 * work, and it may stand in when the site fails. An eviction since the render began dooms what comes of it.
 */
import type { PageCache } from '../core/cache.js'
import type { PageBody } from '../core/store.js'
import { decodeStored, type StoredPage } from './stored-page.js'

export interface ExpiredPage {
  readonly page: StoredPage
  readonly body: PageBody
  readonly expiresAtMs: number | undefined
}

/** The page; `undefined` when there is none that can be read, or the cache has lost sight of its invalidator. */
export async function findExpired(cache: PageCache, key: string): Promise<ExpiredPage | undefined> {
  const kept = await cache.peek(key)
  const page = kept?.metadata === undefined ? undefined : decodeStored(kept.metadata)
  return kept === undefined || page === undefined ? undefined : { page, body: kept.body, expiresAtMs: kept.expiresAtMs }
}
