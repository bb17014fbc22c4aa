/**
 * Selectors without repetition, and their text for the state beside the pages.
 *
 * Tags are told from keys by a character that neither may have.
 */
import { parseSelector, type SelectorInput } from '../../core/selector.js'

/** What a rule may answer, flattened: pattern texts and tags. */
export type PlainSelector = string | { readonly tag: string }

export class SelectorSet {
  readonly #byText = new Map<string, PlainSelector>()
  /** The rows of queues that named them, for people who ask why: the first hundred. */
  readonly rows: string[] = []

  constructor(selectors: Iterable<PlainSelector> = []) {
    for (const selector of selectors) this.add(selector)
  }

  get size(): number {
    return this.#byText.size
  }

  add(selector: PlainSelector): void {
    this.#byText.set(textOf(selector), selector)
  }

  delete(selector: PlainSelector): void {
    this.#byText.delete(textOf(selector))
  }

  addAll(others: Iterable<PlainSelector>): void {
    for (const selector of others) this.add(selector)
  }

  [Symbol.iterator](): Iterator<PlainSelector> {
    return this.#byText.values()
  }

  toInputs(): SelectorInput[] {
    return [...this.#byText.values()]
  }

  /** As people read them: `daily/2020/**`, `tag:port:1`. */
  toTexts(): string[] {
    return [...this].map((selector) => (typeof selector === 'string' ? selector : `tag:${selector.tag}`))
  }

  toJson(): string {
    return this.size === 0 ? '' : JSON.stringify([...this])
  }

  /** Throws for what `toJson` did not write. */
  static fromJson(json: string): SelectorSet {
    const selectors: unknown = json === '' ? [] : JSON.parse(json)
    if (!Array.isArray(selectors)) throw new TypeError('Expected a list of selectors')
    for (const selector of selectors) parseSelector(selector)
    return new SelectorSet(selectors)
  }

  /**
   * Fewer selectors that evict at least as much: subtrees of the first segments, and everything where
   * that is not few enough or a tag is among them. Forgetting too much is allowed, keeping too much is not.
   */
  collapsed(limit: number): SelectorSet {
    if (this.size <= limit) return this
    const wider = new SelectorSet()
    for (const selector of this) {
      const first = typeof selector === 'string' ? /^[^*/]+(?=\/)/.exec(selector)?.[0] : undefined
      wider.add(first === undefined ? '**' : `${first}/**`)
    }
    const hasAll = wider.toTexts().includes('**')
    return hasAll || wider.size > limit ? new SelectorSet(['**']) : wider
  }
}

function textOf(selector: PlainSelector): string {
  return typeof selector === 'string' ? selector : `\0${selector.tag}`
}
