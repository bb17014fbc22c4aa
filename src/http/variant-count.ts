/**
 * How many variants a page has been given in this process: query strings, cookies and fields that visitors
 * choose must not fill the disk. Forgotten for pages not seen for long, and by a new process: the size limit of
 * the store is the last bound.
 */
import { LRUCache } from 'lru-cache'

const watchedPages = 10_000

export class VariantCount {
  readonly #most: number
  readonly #byPage = new LRUCache<string, Set<string>>({ max: watchedPages })

  constructor(most: number) {
    this.#most = most
  }

  /** Whether `key` is a variant of `page` that may be kept. */
  admits(page: string, key: string): boolean {
    if (page === key) return true
    const known = this.#byPage.get(page) ?? new Set()
    if (known.has(key)) return true
    if (known.size >= this.#most) return false
    known.add(key)
    this.#byPage.set(page, known)
    return true
  }
}
