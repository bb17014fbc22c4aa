/**
 * A store whose faults cannot reach a page: what throws or stalls becomes an `error` event and the
 * answer "nothing kept". Evictions are not guarded: one that failed must be known to have failed.
 */
import type { Clock } from './clock.js'
import { isPagekeepError, PagekeepError, reasonOf } from './errors.js'
import type {
  Awaitable,
  BeginOptions,
  Busy,
  EvictedPage,
  Fill,
  FillState,
  GetOptions,
  KeptPage,
  NewPage,
  Store,
} from './store.js'

export interface GuardedStoreOptions {
  readonly store: Store
  readonly clock: Clock
  /** How long a store may take for one answer, in milliseconds. */
  readonly timeoutMs: number
  readonly fault: (error: PagekeepError) => void
}

export class GuardedStore {
  readonly #store: Store
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #fault: (error: PagekeepError) => void

  constructor(options: GuardedStoreOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#timeoutMs = options.timeoutMs
    this.#fault = options.fault
  }

  /** The page, whatever its age. */
  get(key: string, options?: GetOptions): Promise<KeptPage | undefined> {
    return this.#attempt('read', key, () => this.#store.get(key, options))
  }

  /** As `get`, where the store has just been asked and this is what it answered. */
  answered(key: string, page: Awaitable<KeptPage | undefined>): Promise<KeptPage | undefined> {
    return this.#attempt('read', key, () => page)
  }

  /** The page that was evicted; none where the store keeps none. */
  getEvicted(key: string): Promise<EvictedPage | undefined> {
    return this.#attempt('read the evicted page of', key, () => this.#store.getEvicted?.(key))
  }

  async dropEvicted(key: string): Promise<void> {
    await this.#attempt('forget the evicted page of', key, () => this.#store.dropEvicted?.(key))
  }

  /** `undefined` when the store cannot begin: render, and keep nothing. */
  begin(key: string, options?: BeginOptions): Promise<Fill | Busy | undefined> {
    // A fill that arrives after its deadline is given back, or it would block the key.
    const giveBack = (late: Fill | Busy) => (late.kind === 'fill' ? late.abandon() : undefined)
    return this.#attempt('begin a fill of', key, () => this.#store.begin(key, options), giveBack)
  }

  async publish(key: string, fill: Fill, page: NewPage): Promise<'kept' | 'doomed' | 'failed'> {
    return (await this.#attempt('keep', key, () => fill.publish(page))) ?? 'failed'
  }

  async abandon(key: string, fill: Fill): Promise<void> {
    await this.#attempt('end a fill of', key, () => fill.abandon())
  }

  /** A store that cannot say is taken as unsure, which is safe. */
  async state(key: string, fill: Fill): Promise<FillState> {
    return (await this.#attempt('ask after a fill of', key, () => fill.state())) ?? 'unsure'
  }

  async #attempt<T>(
    act: string,
    key: string,
    work: () => Awaitable<T>,
    late?: (value: T) => unknown,
  ): Promise<T | undefined> {
    try {
      const answer = work()
      return answer instanceof Promise ? await this.#inTime(act, key, answer, late) : answer
    } catch (thrown) {
      this.#fault(this.#describe(act, key, thrown))
      return undefined
    }
  }

  #inTime<T>(act: string, key: string, answer: Promise<T>, late: ((value: T) => unknown) | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let isLate = false
      const timer = this.#clock.setTimer(() => {
        isLate = true
        const message = `The store "${this.#store.name}" did not ${act} "${key}" within ${this.#timeoutMs} ms; the page is served without it.`
        reject(new PagekeepError('store-timeout', message, { key, store: this.#store.name }))
      }, this.#timeoutMs)
      const settle = (act: () => void) => {
        timer.cancel()
        act()
      }
      answer.then(
        (value) => settle(() => (isLate ? Promise.resolve(late?.(value)).catch(() => undefined) : resolve(value))),
        (thrown) => settle(() => reject(thrown)),
      )
    })
  }

  #describe(act: string, key: string, thrown: unknown): PagekeepError {
    if (isPagekeepError(thrown)) return thrown
    const message = `The store "${this.#store.name}" could not ${act} "${key}": ${reasonOf(thrown)}. The page is served without it.`
    return new PagekeepError('store-failed', message, { key, store: this.#store.name, cause: thrown })
  }
}
