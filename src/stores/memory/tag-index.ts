/**
 * Which kept pages carry a tag. A page that leaves takes its entries along, so the index is never
 * larger than what is kept.
 */
export class TagIndex {
  readonly #keys = new Map<string, Set<string>>()

  add(key: string, tags: readonly string[]): void {
    for (const tag of tags) {
      const keys = this.#keys.get(tag)
      if (keys === undefined) this.#keys.set(tag, new Set([key]))
      else keys.add(key)
    }
  }

  remove(key: string, tags: readonly string[]): void {
    for (const tag of tags) {
      const keys = this.#keys.get(tag)
      keys?.delete(key)
      if (keys?.size === 0) this.#keys.delete(tag)
    }
  }

  /** A copy, so that the caller may remove pages while it walks. */
  keysOf(tag: string): string[] {
    return [...(this.#keys.get(tag) ?? [])]
  }

  /** How many tags any page carries. */
  get size(): number {
    return this.#keys.size
  }
}
