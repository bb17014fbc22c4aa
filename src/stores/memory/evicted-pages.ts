/**
 * Evicted pages that may be shown while the next one is made: at most one a key, bounded by bytes. They are no
 * pages of the store: nothing of its tags, sizes and keys knows them. Decision 0018.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../core/clock.js'
import type { EvictedPage } from '../../core/store.js'

interface Removed {
  readonly page: EvictedPage['page']
  /** For how long after its eviction it may be shown, in milliseconds. */
  readonly showEvictedMs: number
  readonly bytes: number
}

export class EvictedPages {
  readonly #clock: Clock
  readonly #pages: LRUCache<string, Removed & { readonly evictedAtMs: number }>

  constructor(maxBytes: number, clock: Clock) {
    this.#clock = clock
    this.#pages = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => bytes })
  }

  /** One that is larger than all of them together may be is forgotten at once. */
  add(key: string, { page, showEvictedMs, bytes }: Removed): void {
    this.#pages.set(key, { page, showEvictedMs, bytes, evictedAtMs: this.#clock.now() })
  }

  get(key: string): EvictedPage | undefined {
    const removed = this.#pages.get(key)
    if (removed === undefined) return undefined
    const evictedMsAgo = this.#clock.now() - removed.evictedAtMs
    if (evictedMsAgo >= 0 && evictedMsAgo < removed.showEvictedMs) return { page: removed.page, evictedMsAgo }
    this.#pages.delete(key)
    return undefined
  }

  drop(key: string): void {
    this.#pages.delete(key)
  }

  clear(): void {
    this.#pages.clear()
  }
}
