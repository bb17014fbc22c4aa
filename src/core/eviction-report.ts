/** What `cache.evict` answers: what was asked, and what became of it. */
export interface EvictionReport {
  /** The selectors as text, in the order given. */
  readonly selectors: readonly string[]
  /** How many pages were removed. */
  readonly removed: number
  /** The keys of removed pages, the first 1000 of them. */
  readonly keys: readonly string[]
  /** How many renders in flight will not be kept because of it. */
  readonly doomed: number
}
