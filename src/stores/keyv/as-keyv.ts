/**
 * One of our stores as a storage adapter for Keyv 5; Keyv 6 takes it too, through its bridge for adapters
 * with a relative ttl. What Keyv hands over is kept as text or bytes in a file of its own, readable with `cat`.
 *
 * It passes `@keyv/test-suite`. The contract it keeps is Keyv's: last writer wins, no promise about renders.
 */
import { EventEmitter } from 'node:events'
import { type Clock, systemClock } from '../../core/clock.js'
import { PagekeepError } from '../../core/errors.js'
import { parseSelector } from '../../core/selector.js'
import type { Store } from '../../core/store.js'
import { directoryOf, fromPath, toPath } from './as-keyv-key.js'
import { fromBody, toBody } from './as-keyv-value.js'
import { inBatches } from './keyv-like.js'

export interface AsKeyvOptions {
  /**
   * The directory of the store that everything lies in, `clear()` included: pages elsewhere in the store are
   * not touched. Default `keyv`.
   */
  readonly directory?: string
  /** Default: the machine's clock, as Keyv uses it. */
  readonly clock?: Clock
}

export interface KeyvStorageEntry {
  readonly key: string
  readonly value: unknown
  /** In milliseconds from now. */
  readonly ttl?: number
}

/**
 * Makes a Keyv storage adapter of a store that can list its keys; one for each Keyv instance. Throws a `TypeError` for one that cannot.
 *
 * @example
 * const keyv = new Keyv({ store: asKeyv(new DiskStore({ directory: '/var/cache/site' })) })
 */
export function asKeyv(store: Store, options: AsKeyvOptions = {}): KeyvStorage {
  return new KeyvStorage(store, options)
}

export class KeyvStorage extends EventEmitter {
  /** Keyv 5 makes an iterator only for adapters of dialects that it knows; the rest of it is not used. */
  readonly opts = { dialect: 'redis', url: '' }
  /**
   * Written by Keyv 5: which keys (`namespace:...`) `clear()` removes. So give each Keyv an adapter of its own,
   * on the same store if you like. Keyv 6 does without, as long as it is not there.
   */
  declare namespace?: string | undefined
  readonly #store: Store
  readonly #directory: string
  readonly #clock: Clock

  constructor(store: Store, { directory = 'keyv', clock = systemClock }: AsKeyvOptions) {
    super()
    if (!store?.capabilities?.canList) throw new TypeError('Expected a store that can list its keys')
    const selector = parseSelector(`${directory}/**`)
    if (selector.kind !== 'pattern' || !selector.isSubtree) {
      throw new TypeError(`Expected directory to be a plain directory, got "${directory}"`)
    }
    this.#store = store
    this.#directory = directory
    this.#clock = clock
  }

  async get<Value = unknown>(key: string): Promise<Value | undefined> {
    const page = await this.#store.get(this.#path(key))
    if (page === undefined || (page.expiresAtMs ?? Number.POSITIVE_INFINITY) <= this.#clock.now()) return undefined
    return fromBody(page.body) as Value
  }

  async getMany<Value = unknown>(keys: string[]): Promise<(Value | undefined)[]> {
    return inBatches(keys, (batch) => Promise.all(batch.map((key) => this.get<Value>(key))))
  }

  /** Keeps `value` in place of what was there, for `ttl` milliseconds. Without `ttl`, or with 0: until deleted. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const path = this.#path(key)
    const renderBeganAtMs = this.#clock.now()
    const fill = await this.#store.begin(path, { regardless: true })
    if (fill.kind !== 'fill') throw this.#failure(`keep "${key}"`, path)
    try {
      const life = ttl === undefined || ttl === 0 ? {} : { expiresAtMs: renderBeganAtMs + ttl }
      // Doomed by a delete meanwhile: as if that had come just after.
      await fill.publish({ body: toBody(value), tags: [], renderBeganAtMs, ...life })
      return true
    } finally {
      await fill.abandon()
    }
  }

  /** Resolves with a `true` for each, which Keyv 5 passes on although its types say otherwise. */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 declares void, Keyv 6 boolean[]
  async setMany(entries: KeyvStorageEntry[]): Promise<any> {
    return inBatches(entries, (batch) => Promise.all(batch.map(({ key, value, ttl }) => this.set(key, value, ttl))))
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#evict([this.#path(key)])) > 0
  }

  /** Whether any of them was there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.#evict(keys.map((key) => this.#path(key)))) > 0
  }

  /** Removes the keys of the namespace; without one, all that this adapter has kept. */
  async clear(): Promise<void> {
    const { namespace } = this
    if (!namespace) await this.#evict([`${this.#directory}/**`])
    else if (!namespace.includes(':')) await this.#evict([`${this.#directory}/${directoryOf(namespace)}/**`])
    else for await (const key of this.#keys(namespace)) await this.delete(key)
  }

  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return inBatches(keys, (batch) => Promise.all(batch.map((key) => this.has(key))))
  }

  /** Pairs of key and value; with a namespace, those whose keys begin with it and a colon. */
  async *iterator<Value = unknown>(namespace?: string): AsyncGenerator<[string, Awaited<Value>], void> {
    for await (const key of this.#keys(namespace)) {
      const value = await this.get<Value>(key)
      if (value !== undefined) yield [key, value]
    }
  }

  /** Closes the store. */
  async disconnect(): Promise<void> {
    await this.#store.close()
  }

  async *#keys(namespace: string | undefined): AsyncGenerator<string> {
    for await (const path of this.#store.keys(parseSelector(`${this.#directory}/**`))) {
      const key = fromPath(path.slice(this.#directory.length + 1))
      if (key !== undefined && (!namespace || key.startsWith(`${namespace}:`))) yield key
    }
  }

  #path(key: string): string {
    return `${this.#directory}/${toPath(key)}`
  }

  async #evict(selectors: string[]): Promise<number> {
    const { removed, failures } = await this.#store.evict(selectors.map((selector) => parseSelector(selector)))
    const [first] = failures
    if (first !== undefined) throw this.#failure(`remove "${first.key ?? first.selector.text}"`, first.key, first.cause)
    return removed
  }

  #failure(act: string, key?: string, cause?: unknown): PagekeepError {
    const { name } = this.#store
    const details = { store: name, cause, ...(key !== undefined && { key }) }
    return new PagekeepError('store-failed', `The store "${name}" could not ${act} for Keyv.`, details)
  }
}
