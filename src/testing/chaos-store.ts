/**
 * A store around a store that fails on command: to show that a fault of the cache is not one of the site.
 */
import type { Selector } from '../core/selector.js'
import type {
  Awaitable,
  BeginOptions,
  Busy,
  EvictedPage,
  Eviction,
  Fill,
  GetOptions,
  KeptPage,
  NewPage,
  Store,
} from '../core/store.js'

/** What can be made to fail; `publish`, `state` and `abandon` are those of fills begun afterwards or before. */
export type ChaosAct =
  | 'get'
  | 'getEvicted'
  | 'dropEvicted'
  | 'begin'
  | 'state'
  | 'publish'
  | 'abandon'
  | 'evict'
  | 'close'

export class ChaosStore implements Store {
  readonly #inner: Store
  readonly #failing = new Map<ChaosAct, 'throw' | 'reject' | 'stall'>()

  constructor(inner: Store) {
    this.#inner = inner
  }

  /** From now on `act` throws, rejects, or never answers. */
  fail(act: ChaosAct, how: 'throw' | 'reject' | 'stall' = 'reject'): void {
    this.#failing.set(act, how)
  }

  /** From now on everything works. */
  heal(): void {
    this.#failing.clear()
  }

  get name() {
    return `chaos(${this.#inner.name})`
  }
  get capabilities() {
    return this.#inner.capabilities
  }
  get state() {
    return this.#inner.state
  }

  get(key: string, options?: GetOptions): Awaitable<KeptPage | undefined> {
    return this.#do('get', () => this.#inner.get(key, options))
  }

  getEvicted(key: string): Awaitable<EvictedPage | undefined> {
    return this.#do('getEvicted', () => this.#inner.getEvicted?.(key))
  }

  dropEvicted(key: string): Awaitable<void> {
    return this.#do('dropEvicted', () => this.#inner.dropEvicted?.(key))
  }

  async begin(key: string, options?: BeginOptions): Promise<Fill | Busy> {
    const begun = await this.#do('begin', () => this.#inner.begin(key, options))
    if (begun.kind === 'busy') return begun
    return {
      kind: 'fill',
      state: () => this.#do('state', () => begun.state()),
      publish: (page: NewPage) => this.#do('publish', () => begun.publish(page)),
      abandon: () => this.#do('abandon', () => begun.abandon()),
      ...(begun.lineage !== undefined && { lineage: () => begun.lineage?.() ?? '' }),
    }
  }

  evict(selectors: readonly Selector[]): Awaitable<Eviction> {
    return this.#do('evict', () => this.#inner.evict(selectors))
  }

  keys(selector?: Selector): AsyncIterable<string> {
    return this.#inner.keys(selector)
  }

  close(): Awaitable<void> {
    return this.#do('close', () => this.#inner.close())
  }

  #do<T>(act: ChaosAct, work: () => Awaitable<T>): Awaitable<T> {
    const how = this.#failing.get(act)
    if (how === undefined) return work()
    if (how === 'stall') return new Promise<T>(() => undefined)
    const error = new Error(`chaos: ${act} failed on command`)
    if (how === 'throw') throw error
    return Promise.reject(error)
  }
}
