/**
 * Looks at a kept page whatever its age, within a render that is to replace it: its validators save the site the
 * work, and it may stand in when the site fails. An eviction since the render began dooms what comes of it.
 */
import type { PageCache } from '../core/cache.js'
import type { KeptPage, PageBody, Store } from '../core/store.js'
import { decodeStored, type StoredPage } from './stored-page.js'

export interface ExpiredPage {
  readonly page: StoredPage
  readonly body: PageBody
  readonly expiresAtMs: number | undefined
}

export class ExpiredPages {
  readonly #store: Partial<Pick<Store, 'get'>>
  #isBlind = false

  constructor(cache: PageCache) {
    this.#store = cache.store as Partial<Pick<Store, 'get'>>
    cache.on('blind', () => {
      this.#isBlind = true
    })
    cache.on('sighted', () => {
      this.#isBlind = false
    })
  }

  /** The page; `undefined` when there is none that can be read, or the cache has lost sight of its invalidator. */
  async get(key: string): Promise<ExpiredPage | undefined> {
    if (this.#isBlind) return undefined
    let kept: KeptPage | undefined
    try {
      kept = await this.#store.get?.(key)
    } catch {
      // The render does without.
      return undefined
    }
    const page = kept?.metadata === undefined ? undefined : decodeStored(kept.metadata)
    return kept === undefined || page === undefined
      ? undefined
      : { page, body: kept.body, expiresAtMs: kept.expiresAtMs }
  }
}
