/**
 * Pages in the memory of one process, bounded by bytes: what tests swap in for a disk store, and what
 * a site with a single process may do with. Nothing is encoded: bytes stay bytes, text stays text.
 *
 * Every method but `keys` is synchronous, so no eviction can come between the check of a publish and
 * its write. How fills in flight are doomed is in open-fills.ts, by a tag in
 * memory/evicted-tags.ts.
 */

import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from '../core/clock.js'
import { PagekeepError } from '../core/errors.js'
import { checkKey } from '../core/key.js'
import { isEverything, type Selector } from '../core/selector.js'
import type {
  BeginOptions,
  Busy,
  EvictedPage,
  Eviction,
  Fill,
  FillState,
  GetOptions,
  KeptPage,
  NewPage,
  Store,
  StoreCapabilities,
  StoreState,
} from '../core/store.js'
import { maxListedKeys } from '../core/store.js'
import { EvictedPages } from './memory/evicted-pages.js'
import { EvictedTags } from './memory/evicted-tags.js'
import { TagIndex } from './memory/tag-index.js'
import { OpenFills, type Token } from './open-fills.js'
import { partTagsTouchedBy, tagsOfLineages, writeLineage } from './part-tags.js'

/** What a page costs beside its texts, roughly as measured: objects, map entries, list links. */
const pageOverheadBytes = 400
const tagOverheadBytes = 100
export interface MemoryStoreOptions {
  /**
   * The most that pages may take, in bytes: bodies (text as UTF-8), keys, metadata, tags and a fixed overhead a
   * page. Default 64 MiB. The page used least recently leaves first. Price: text with characters beyond
   * Latin-1 takes up to twice its counted size in a JavaScript heap. Evicted pages that may still be shown
   * (`showEvictedMs`) take up to an eighth more.
   */
  readonly maxBytes?: number
  /** For how long ago a page was evicted. Default: the machine's. */
  readonly clock?: Clock
}

interface Held {
  readonly page: KeptPage
  readonly tags: readonly string[]
  readonly showEvictedMs: number
}

/**
 * @example
 * const store = new MemoryStore({ maxBytes: 8 * 1024 * 1024 })
 * const cache = createCache({ store })
 */
export class MemoryStore implements Store {
  readonly name = 'memory'
  readonly capabilities: StoreCapabilities = {
    isSharedByProcesses: false,
    canList: true,
    isDurable: false,
    keepsEvicted: true,
  }
  readonly state: StoreState
  readonly maxBytes: number
  readonly #pages: LRUCache<string, Held>
  readonly #tags = new TagIndex()
  readonly #fills = new OpenFills()
  readonly #evictedTags = new EvictedTags()
  readonly #evictedPages: EvictedPages
  readonly #texts = new Map<string, string>()
  /** Whether a page was asked for as a part of another: only then evictions look for what is made of theirs. */
  #hasParts = false

  /** Throws a `RangeError` when `maxBytes` is not a positive integer. */
  constructor(options: MemoryStoreOptions = {}) {
    this.maxBytes = options.maxBytes ?? 64 * 1024 * 1024
    if (!Number.isSafeInteger(this.maxBytes) || this.maxBytes < 1) {
      throw new RangeError(`Expected maxBytes to be a positive integer, got ${this.maxBytes}`)
    }
    this.#evictedPages = new EvictedPages(Math.ceil(this.maxBytes / 8), options.clock ?? systemClock)
    this.#pages = new LRUCache<string, Held>({
      maxSize: this.maxBytes,
      sizeCalculation: sizeOf,
      dispose: (held, key) => this.#tags.remove(key, held.tags),
    })
    this.state = {
      read: (name) => this.#texts.get(name),
      write: (name, text) => {
        if (text === '') this.#texts.delete(name)
        else this.#texts.set(name, text)
      },
    }
  }

  /** How many bytes the kept pages take, counted as `maxBytes` counts. */
  get bytes(): number {
    return this.#pages.calculatedSize
  }

  /** How many pages are kept. */
  get size(): number {
    return this.#pages.size
  }

  get(key: string, { asPart = false }: GetOptions = {}): KeptPage | undefined {
    const held = this.#pages.get(key)
    if (!asPart) return held?.page
    this.#hasParts = true
    return held && { ...held.page, lineage: writeLineage(key, held.tags) }
  }

  getEvicted(key: string): EvictedPage | undefined {
    return this.#evictedPages.get(key)
  }

  dropEvicted(key: string): void {
    this.#evictedPages.drop(key)
  }

  begin(key: string, options: BeginOptions = {}): Fill | Busy {
    const other = options.regardless ? undefined : this.#fills.get(checkKey(key))
    if (other !== undefined) return { kind: 'busy', ended: () => other.ended }
    const token = this.#fills.open(checkKey(key))
    const { position } = this.#evictedTags
    let lineage = ''
    return {
      kind: 'fill',
      state: () => this.#stateOf(token, position),
      publish: (page) => {
        const tags = [...new Set([...page.tags, ...tagsOfLineages(page.parts)])]
        lineage = writeLineage(key, tags)
        return this.#publish(token, position, page, tags)
      },
      abandon: () => this.#close(token),
      lineage: () => lineage,
    }
  }

  evict(selectors: readonly Selector[]): Eviction {
    const removed: string[] = []
    let doomed = 0
    const implied = this.#hasParts ? partTagsTouchedBy(selectors) : []
    for (const selector of [...selectors, ...implied]) {
      if (selector.kind === 'key') {
        doomed += this.#fills.doom(selector.key)
      } else if (selector.kind === 'pattern') {
        doomed += this.#fills.doomMatching((key) => selector.matches(key))
      } else {
        this.#evictedTags.add(selector.tag)
      }
      for (const key of this.#matching(selector)) {
        const held = this.#pages.peek(key)
        if (held === undefined || !this.#pages.delete(key)) continue
        removed.push(key)
        if (held.showEvictedMs > 0) this.#evictedPages.add(key, { ...held, bytes: sizeOf(held, key) })
      }
      if (isEverything(selector)) this.#evictedPages.clear()
    }
    return {
      removed: removed.length,
      keys: removed.slice(0, maxListedKeys),
      doomed,
      failures: [],
    }
  }

  async *keys(selector?: Selector): AsyncGenerator<string> {
    yield* selector === undefined ? [...this.#pages.keys()] : this.#matching(selector)
  }

  /** Drops all pages and state, and dooms the fills in flight. The store may be used again; it is empty then. */
  close(): void {
    this.#fills.doomMatching(() => true)
    this.#pages.clear()
    this.#evictedPages.clear()
    this.#texts.clear()
  }

  #stateOf(token: Token, position: number): FillState {
    if (token.isOver) return 'doomed'
    return this.#evictedTags.position > position ? 'unsure' : 'current'
  }

  /** Throws `store-failed` for a page that is larger than `maxBytes` all by itself. */
  #publish(token: Token, position: number, page: NewPage, tags: readonly string[]): 'kept' | 'doomed' {
    const isTouched = token.isOver || this.#evictedTags.hasSince(position, tags)
    this.#close(token)
    if (isTouched) return 'doomed'
    const held = holdOf(page, tags)
    const bytes = sizeOf(held, token.key)
    if (bytes > this.maxBytes) throw this.#tooLarge(token.key, bytes)
    this.#pages.set(token.key, held)
    this.#tags.add(token.key, held.tags)
    return 'kept'
  }

  #close(token: Token): void {
    this.#fills.close(token)
    if (this.#fills.size === 0) this.#evictedTags.forget()
  }

  #matching(selector: Selector): string[] {
    if (selector.kind === 'key') return this.#pages.has(selector.key) ? [selector.key] : []
    if (selector.kind === 'tag') return this.#tags.keysOf(selector.tag)
    return [...this.#pages.keys()].filter((key) => selector.matches(key))
  }

  #tooLarge(key: string, bytes: number): PagekeepError {
    return new PagekeepError(
      'store-failed',
      `The page "${key}" takes ${bytes} bytes in memory and maxBytes is ${this.maxBytes}, so it was not kept. ` +
        'Raise maxBytes of the MemoryStore.',
      { key, store: this.name },
    )
  }
}

function holdOf(newPage: NewPage, tags: readonly string[]): Held {
  const { tags: _, parts: _parts, isPart: _isPart, showEvictedMs = 0, ...page } = newPage
  const body = typeof page.body === 'string' ? page.body : new Uint8Array(page.body)
  return { page: { ...page, body }, tags, showEvictedMs }
}

function sizeOf({ page, tags }: Held, key: string): number {
  const metadata = Buffer.byteLength(page.metadata ?? '')
  const body = typeof page.body === 'string' ? Buffer.byteLength(page.body) : page.body.byteLength
  const named = tags.reduce((sum, tag) => sum + tagOverheadBytes + Buffer.byteLength(tag), 0)
  return pageOverheadBytes + Buffer.byteLength(key) + body + metadata + named
}
