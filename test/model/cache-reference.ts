/**
 * What a cache should do, as plain maps: the data, the pages kept, the renders under way, and how far each row's
 * changes have been evicted. A page's text tells which versions it was made from, so that any answer can be judged.
 */
import { parseSelector, type SelectorInput } from 'pagekeep'

export const keys = ['a/x.html', 'a/y.html', 'a/deep/z.html', 'b/x.html'] as const
export type Key = (typeof keys)[number]

/** Pages below `b/` live this long; the others until they are evicted. */
export const ttlMs = 1000

export interface Page {
  readonly body: string
  readonly tags: readonly string[]
  readonly expiresAtMs: number
  /** Whether the store may have lost it, or doomed its fill, though nothing evicted it. */
  mayBeLost: boolean
}

export interface OpenRender {
  readonly page: Page
  isDoomed: boolean
}

/**
 * What a store may evict beyond what was asked for: `nothing`; `what had the tag` once, as the disk store, whose
 * tag logs forget nothing; or `anything`.
 */
export type Loss = 'nothing' | 'what had the tag' | 'anything'

/** The versions a page shows of its own row, and of its tag's. */
interface Versions {
  readonly own: number
  readonly tag: string
  readonly shared: number
}

export class CacheReference {
  readonly pages = new Map<Key, Page>()
  readonly open = new Map<Key, OpenRender>()
  readonly #data = new Map<string, number>()
  readonly #evicted = new Map<string, number>()
  readonly #loss: Loss

  constructor(loss: Loss) {
    this.#loss = loss
  }

  /** What a render of `key` makes now. Which tag it has depends on the row: it is known only after reading. */
  render(key: Key, nowMs: number): Page {
    const own = this.#data.get(key) ?? 0
    const tag = `tag:${own % 2}`
    const body = JSON.stringify({ own, tag, shared: this.#data.get(tag) ?? 0 })
    const expiresAtMs = key.startsWith('b/') ? nowMs + ttlMs : Number.POSITIVE_INFINITY
    return { body, tags: [tag], expiresAtMs, mayBeLost: this.#loss === 'anything' }
  }

  /** A commit: the row changes, and nobody has evicted yet. */
  change(row: string): void {
    this.#data.set(row, (this.#data.get(row) ?? 0) + 1)
  }

  /** An eviction that has returned; each of its rows changed before it began. */
  evict(input: SelectorInput): void {
    for (const row of this.rowsOf(input)) this.#evicted.set(row, this.#data.get(row) ?? 0)
    const touches = (key: Key, { tags }: Page) => {
      const selector = parseSelector(input)
      if (selector.kind === 'tag') return tags.includes(selector.tag)
      return selector.kind === 'key' ? selector.key === key : selector.matches(key)
    }
    for (const [key, page] of this.pages) if (touches(key, page)) this.pages.delete(key)
    for (const [key, render] of this.open) if (touches(key, render.page)) render.isDoomed = true
    if (this.#loss === 'nothing' || parseSelector(input).kind !== 'tag') return
    for (const page of [...this.pages.values(), ...[...this.open.values()].map((render) => render.page)]) {
      page.mayBeLost = true
    }
  }

  /** The rows that an eviction stands for. */
  rowsOf(input: SelectorInput): string[] {
    const selector = parseSelector(input)
    if (selector.kind === 'tag') return [selector.tag]
    return keys.filter((key) => (selector.kind === 'key' ? selector.key === key : selector.matches(key)))
  }

  expire(nowMs: number): void {
    for (const [key, page] of this.pages) if (page.expiresAtMs <= nowMs) this.pages.delete(key)
  }

  /** What a page must show at least, so that it is no older than the evictions that have returned by now. */
  bound(key: Key): (body: string) => string | undefined {
    const evicted = new Map(this.#evicted)
    return (body) => {
      const { own, tag, shared } = JSON.parse(body) as Versions
      const isNew = own >= (evicted.get(key) ?? 0) && shared >= (evicted.get(tag) ?? 0)
      return isNew ? undefined : `${key} shows ${body}, older than ${JSON.stringify([...evicted])}`
    }
  }
}
