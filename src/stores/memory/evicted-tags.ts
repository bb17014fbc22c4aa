/**
 * Which tags were evicted while fills were in flight.
 *
 * Which tags a page has is known only when it is published. So an evicted tag is remembered with a
 * position: a fill that began before that position and carries the tag is doomed when it is published.
 */
export class EvictedTags {
  readonly #positions = new Map<string, number>()
  #position = 0

  /** What a fill notes when it begins. */
  get position(): number {
    return this.#position
  }

  /** How many tags are remembered. */
  get size(): number {
    return this.#positions.size
  }

  add(tag: string): void {
    this.#position++
    this.#positions.set(tag, this.#position)
  }

  /** Whether one of these tags was evicted after `position` was noted. */
  hasSince(position: number, tags: readonly string[]): boolean {
    return this.#position > position && tags.some((tag) => (this.#positions.get(tag) ?? 0) > position)
  }

  /** Allowed while no fill is in flight: later ones note a later position. */
  forget(): void {
    this.#positions.clear()
  }
}
