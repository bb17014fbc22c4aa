/**
 * Pages in any Keyv, version 5 or 6: Redis, Valkey, SQLite, a Map, whatever has an adapter.
 *
 * Keyv has no compare-and-set, so no write can be refused; a page is instead unreadable once what it was
 * made from has been evicted. How and why is at the head of stamps.ts. What lies where in the Keyv:
 * `p/<key>` pages, `k/ d/ t/ g b/` stamps, `s/<name>` texts of invalidators, `m` a mark for listing.
 */
import { PagekeepError } from '../../core/errors.js'
import { checkKey } from '../../core/key.js'
import type { Selector } from '../../core/selector.js'
import type {
  BeginOptions,
  Busy,
  Eviction,
  Fill,
  GetOptions,
  KeptPage,
  Store,
  StoreCapabilities,
  StoreState,
} from '../../core/store.js'
import { OpenFills, type Token } from '../open-fills.js'
import { type Entry, entryName, entryOf, pageOf, stampedOf } from './entry.js'
import { ErrorWatch } from './error-watch.js'
import { evictFromKeyv } from './keyv-eviction.js'
import { type FillParts, KeyvFill } from './keyv-fill.js'
import { canList, isDurable, type KeyvLike } from './keyv-like.js'
import { Listing } from './listing.js'
import { Records } from './records.js'
import { Stamps, stampsAbove } from './stamps.js'
import { keyvState } from './state.js'
import { TagMarkReader } from './tag-marks.js'

export interface KeyvStoreOptions {
  /**
   * A Keyv instance, version 5 or 6. Give it a namespace of its own. It must read what it has written: no
   * replicas. It is not disconnected by `close`. Adapters limit the length of names (MySQL: 255); a page with
   * a longer key is not kept. For Redis, set `disableOfflineQueue`: else evictions wait for a lost connection
   * instead of failing.
   */
  readonly keyv: KeyvLike
  /**
   * After so many milliseconds a page leaves the Keyv, whether or not it was evicted. Default: never, so that
   * pages that nobody can read any more stay until they are rendered anew or the adapter drops them. Price: the
   * stamps of keys and tags leave after twice that time, and with them the pages under them, once more each.
   */
  readonly ttlMs?: number
}

const maxDamagedNames = 1000

/**
 * `removed` of its evictions counts keys, and what patterns matched; pages of subtrees and tags are not
 * counted, as they are not looked for.
 *
 * Price of a page: one `getMany` for a hit, two with tags; three to five and one `set` for a fill.
 *
 * On Redis: `new Keyv(new KeyvRedis('redis://localhost'), { namespace: 'pages' })`, of `@keyv/redis`.
 *
 * @example
 * const store = new KeyvStore({ keyv: new Keyv({ namespace: 'pages' }) })
 */
export class KeyvStore implements Store {
  readonly name = 'keyv'
  readonly capabilities: StoreCapabilities
  readonly state: StoreState
  readonly #records: Records
  readonly #stamps: Stamps
  readonly #listing: Listing
  readonly #fills = new OpenFills()
  readonly #faultListeners: ((error: PagekeepError) => void)[] = []
  readonly #damagedNames = new Set<string>()
  readonly #parts: FillParts
  /** The fills that have noted their stamps, by token. */
  readonly #begun = new WeakMap<Token, KeyvFill>()

  /** Throws a `TypeError` or `RangeError` for unsuitable options. */
  constructor({ keyv, ttlMs }: KeyvStoreOptions) {
    if (typeof keyv?.getMany !== 'function' || typeof keyv.on !== 'function') {
      throw new TypeError('Expected keyv to be a Keyv instance, such as new Keyv()')
    }
    if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) {
      throw new RangeError(`Expected ttlMs to be a positive integer, got ${ttlMs}`)
    }
    const watch = new ErrorWatch(keyv)
    this.#records = new Records(keyv, (name, cause) => this.#tellOfDamage(name, cause))
    this.#stamps = new Stamps(keyv, this.#records, watch, ttlMs === undefined ? undefined : 2 * ttlMs)
    this.#listing = new Listing(keyv, watch, this.#records)
    const marks = new TagMarkReader(this.#stamps)
    this.#parts = { keyv, stamps: this.#stamps, marks, watch, fills: this.#fills, ttlMs }
    // An eviction writes a stamp; it does not know the pages that this makes unreadable, nor what they allow.
    const isSharedByProcesses = false
    const keepsEvicted = false
    this.capabilities = { isSharedByProcesses, canList: canList(keyv), isDurable: isDurable(keyv), keepsEvicted }
    this.state = keyvState(keyv, this.#records, watch)
  }

  async get(key: string, { asPart = false }: GetOptions = {}): Promise<KeptPage | undefined> {
    const names = stampsAbove(key)
    const [record, ...rest] = await this.#records.readMany([entryName(key), ...names])
    const entry = entryOf(record)
    if (entry?.key !== key) return undefined
    const found = this.#stamps.among(rest, names)
    const isCurrent = found.length === entry.stamps.length && found.every((stamp, at) => stamp === entry.stamps[at])
    if (!isCurrent || !(await this.#hasCurrentRest(entry))) return undefined
    return asPart ? { ...pageOf(entry), lineage: JSON.stringify(stampedOf(entry)) } : pageOf(entry)
  }

  /** Throws `key-invalid`, or `store-failed` when the Keyv does not keep what is written. */
  async begin(key: string, { regardless = false }: BeginOptions = {}): Promise<Fill | Busy> {
    checkKey(key)
    for (let other = this.#fills.get(key); other !== undefined && !regardless; other = this.#fills.get(key)) {
      // Another process may have doomed it; one that has not noted its stamps yet is younger than that.
      const state = await this.#begun.get(other)?.state()
      if (state === 'doomed') this.#fills.close(other)
      else if (!other.isOver) return { kind: 'busy', ended: () => other.ended }
    }
    const token = this.#fills.open(key)
    try {
      const fill = await KeyvFill.begin(this.#parts, token)
      this.#begun.set(token, fill)
      return fill
    } catch (thrown) {
      this.#fills.close(token)
      throw thrown
    }
  }

  evict(selectors: readonly Selector[]): Promise<Eviction> {
    return evictFromKeyv({ ...this.#parts, listing: this.#listing, canList: this.capabilities.canList }, selectors)
  }

  /** Throws `store-failed` where the adapter has no iterator. Every page is transferred. */
  async *keys(selector?: Selector): AsyncGenerator<string> {
    if (!this.capabilities.canList) {
      throw new PagekeepError('store-failed', 'This Keyv adapter has no iterator, so pages cannot be listed.', {
        store: this.name,
      })
    }
    let batch: Entry[] = []
    for await (const { record } of this.#records.walk()) {
      const entry = entryOf(record)
      if (entry !== undefined && isWanted(entry, selector)) batch.push(entry)
      if (batch.length < 100) continue
      yield* await this.#readable(batch)
      batch = []
    }
    yield* await this.#readable(batch)
  }

  onFault(listener: (error: PagekeepError) => void): void {
    this.#faultListeners.push(listener)
  }

  /** Dooms this process's fills in flight. The Keyv stays connected: it is yours. */
  close(): void {
    this.#fills.doomMatching(() => true)
  }

  /** Once a record, as long as there are not too many to remember. */
  #tellOfDamage(name: string, cause: unknown): void {
    if (this.#damagedNames.has(name)) return
    if (this.#damagedNames.size >= maxDamagedNames) this.#damagedNames.clear()
    this.#damagedNames.add(name)
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `What lies in Keyv as "${name}" cannot be read, and is taken for missing: ${reason}`
    const error = new PagekeepError('store-failed', message, { key: name, store: this.name, cause })
    for (const listener of this.#faultListeners) listener(error)
  }

  /** Whether the stamps of its tags and parts are current. */
  async #hasCurrentRest(entry: Entry): Promise<boolean> {
    const rest = stampedOf(entry).slice(entry.stamps.length)
    if (rest.length === 0) return true
    const found = await this.#stamps.read(rest.map(([name]) => name))
    return rest.every(([, stamp], index) => found[index] === stamp)
  }

  /** The keys of those entries whose stamps are all current. */
  async #readable(entries: readonly Entry[]): Promise<string[]> {
    const noted = entries.map(stampedOf)
    const names = [...new Set(noted.flat().map(([name]) => name))]
    const found = await this.#stamps.read(names)
    const current = new Map(names.map((name, index) => [name, found[index]]))
    const isReadable = (index: number) =>
      noted[index]?.every(([name, stamp]) => stamp !== '' && current.get(name) === stamp)
    return entries.filter((_, index) => isReadable(index)).map(({ key }) => key)
  }
}

function isWanted(entry: Entry, selector: Selector | undefined): boolean {
  if (selector === undefined) return true
  if (selector.kind === 'key') return selector.key === entry.key
  if (selector.kind === 'tag') return entry.tags.some(([tag]) => tag === selector.tag)
  return selector.matches(entry.key)
}
