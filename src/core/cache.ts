/**
 * The cache as its users see it: `getOrRender`, `evict`, and what belongs to them. The life of a page is
 * in read-through.ts; this file only puts the parts together and says no where no is due.
 */
import { type Answer, fromStore } from './answer.js'
import {
  type BytesOptions,
  type CacheOptions,
  checkShowsEvicted,
  checkStore,
  type RenderOptions,
} from './cache-options.js'
import { type Clock, systemClock } from './clock.js'
import { PagekeepError, reasonOf } from './errors.js'
import { CacheEmitter, type CacheEventName, type CacheListener } from './events.js'
import { evictFrom } from './evict-from.js'
import type { EvictionReport } from './eviction-report.js'
import { type FirstLook, notTaken, pageAtHand, takeLook } from './first-look.js'
import { checkDuration, checkFreshness, expiryOf, type FreshnessOptions } from './freshness.js'
import { GuardedStore } from './guarded-store.js'
import type { EvictionTarget } from './invalidator.js'
import { checkKey, invalidKey, keyProblem } from './key.js'
import { ReadThrough } from './read-through.js'
import { type Render, RenderContext } from './render-context.js'
import { RenderSlots } from './render-slots.js'
import { checkBody, type Request } from './renders.js'
import { parseSelector, parseSelectors, type SelectorInput } from './selector.js'
import { Sight } from './sight.js'
import type { GetOptions, KeptPage, PageBody, Store, StoreState } from './store.js'
import { type Verification, type VerifyOptions, verify } from './verify.js'

const inBytes: GetOptions = { asBytes: true }
const inBytesOrStreamed: GetOptions = { asBytes: true, mayStream: true }

/**
 * Makes a cache. Throws `TypeError` or `RangeError` for unsuitable options.
 *
 * @example
 * const cache = createCache({ store: new MemoryStore() })
 * await cache.getOrRender('hello.html', () => '<h1>Hello</h1>') // => '<h1>Hello</h1>'
 */
export function createCache(options: CacheOptions): PageCache {
  return new PageCache(options)
}

export class PageCache implements EvictionTarget {
  readonly #store: Store
  readonly #guarded: GuardedStore
  readonly #clock: Clock
  readonly #defaults: FreshnessOptions
  readonly #random: () => number
  readonly #readThrough: ReadThrough
  readonly #events = new CacheEmitter()
  readonly #closing = new AbortController()
  /** One answer for one page, as long as the store gives the same object for it. */
  readonly #hits = new WeakMap<KeptPage, Answer>()

  constructor(options: CacheOptions) {
    checkStore(options?.store)
    const { store, clock = systemClock, random = Math.random, storeTimeoutMs = 2000, maxLagMs } = options
    const { maxRenders, maxQueuedRenders, ...rest } = checkShowsEvicted(checkFreshness(options), store)
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#defaults = rest
    const fault = (error: PagekeepError) => this.#events.fault(error)
    store.onFault?.(fault)
    this.#guarded = new GuardedStore({
      store,
      clock,
      timeoutMs: checkDuration(storeTimeoutMs, 'storeTimeoutMs'),
      fault,
    })
    this.#readThrough = new ReadThrough({
      store: this.#guarded,
      clock,
      events: this.#events,
      slots: new RenderSlots({
        ...(maxRenders !== undefined && { maxRenders }),
        ...(maxQueuedRenders !== undefined && { maxQueuedRenders }),
      }),
      sight: maxLagMs === undefined ? undefined : this.#watch(checkDuration(maxLagMs, 'maxLagMs')),
      closing: this.#closing.signal,
      random,
    })
  }

  /** The store's name and what it can do. */
  get store(): Pick<Store, 'name' | 'capabilities'> {
    return this.#store
  }

  /** Texts kept beside the pages, for invalidators. */
  get state(): StoreState {
    return this.#store.state
  }

  /**
   * The page of `key`: kept, or rendered once for however many callers, and kept.
   *
   * What `render` returns is answered unchanged: text or bytes. If it throws, every caller that waited for
   * it gets what it threw, and nothing is kept. A key that cannot be used and a store that fails are
   * `error` events; the page is rendered and served. Rejects with `page-invalid` when the render returns
   * neither text nor bytes, with `render-timeout` and `renders-full` where such limits are set.
   *
   * Called within a render, it makes the outer page of this one: what evicts this page evicts the outer one
   * too, which expires no later. Rejects with `render-recursive` when each of them waits for the other.
   */
  getOrRender<Body extends PageBody>(key: string, render: Render<Body>, options?: RenderOptions): Promise<Body> {
    const look = this.#look(key)
    const page = pageAtHand(look, this.#clock, this.#defaults, options)
    if (page === undefined) return this.#answer(key, render, options, look).then((answer) => answer.body as Body)
    this.#events.emit('hit', { key })
    return Promise.resolve(page.body as Body)
  }

  /** As `getOrRender`, with where the page came from. */
  async answer<Body extends PageBody>(
    key: string,
    render: Render<Body>,
    options?: RenderOptions,
  ): Promise<Answer<Body>> {
    return this.answerNow(key, render, options)
  }

  /**
   * As `answer`, without a promise where the store has a fresh page at hand. For as long as it gives one and the same
   * object for it (pages in memory), so does this: what is prepared of a page can be kept by its answer.
   *
   * With `asBytes` a text may come as its bytes in UTF-8, where a store has these at hand, and with `mayStream` a large
   * page as a stream: for who sends them on.
   */
  answerNow(key: string, render: Render<PageBody>, options: BytesOptions): Answer | Promise<Answer>
  answerNow<Body extends PageBody>(
    key: string,
    render: Render<Body>,
    options?: RenderOptions,
  ): Answer<Body> | Promise<Answer<Body>>
  answerNow<Body extends PageBody>(
    key: string,
    render: Render<Body>,
    options?: RenderOptions & Partial<BytesOptions>,
  ): Answer<Body> | Promise<Answer<Body>> {
    const isForBytes = options?.asBytes === true
    const look = this.#look(key, isForBytes ? (options.mayStream ? inBytesOrStreamed : inBytes) : undefined)
    const page = pageAtHand(look, this.#clock, this.#defaults, options)
    if (page === undefined) return this.#answer(key, render, options, look) as Promise<Answer<Body>>
    this.#events.emit('hit', { key })
    const known = this.#hits.get(page)
    if (known !== undefined) return known as Answer<Body>
    const answer = fromStore(page, 'hit')
    this.#hits.set(page, answer)
    return answer as Answer<Body>
  }

  /**
   * Counts one more hit of `key`: of a caller who had asked before `answerNow` gave another the answer that this one gets
   * too. `false` within a render, whose page inherits what it is made of: there one has to ask.
   */
  answerAgain(key: string): boolean {
    if (this.#readThrough.nested.current !== undefined) return false
    this.#events.emit('hit', { key })
    return true
  }

  /**
   * The kept page with all that is known of it, fresh or not: for a render that is to replace it. No event, and no
   * page is made of it. `undefined` when there is none, or it may not be served: the cache is blind, or closed.
   * Throws `key-invalid`; a fault of the store is an event.
   */
  async peek(key: string): Promise<Omit<KeptPage, 'lineage'> | undefined> {
    checkKey(key)
    return this.#closing.signal.aborted ? undefined : this.#readThrough.look(key)
  }

  /** The kept page of `key` if it is fresh, or `undefined`. Throws `key-invalid`; a fault of the store is an event. */
  async get(key: string): Promise<PageBody | undefined> {
    const outer = this.#readThrough.nested.current
    const page = await this.#readThrough.look(checkKey(key), outer !== undefined)
    const isFresh = page !== undefined && (page.expiresAtMs ?? Number.POSITIVE_INFINITY) > this.#clock.now()
    this.#events.emit(isFresh ? 'hit' : 'miss', { key })
    if (!isFresh) return undefined
    if (page.lineage !== undefined) outer?.inherit(page.lineage, page.expiresAtMs)
    else outer?.includeUnkept(key)
    return page.body
  }

  /**
   * Keeps `body` under `key`, in place of what was there and of renders in flight. What an eviction
   * before this call touched may be in `body`: the cache cannot know when you read it. `getOrRender` can.
   * Rejects with `key-invalid`, `page-invalid`, or what the store reports.
   */
  async set(
    key: string,
    body: PageBody,
    options: Pick<RenderOptions, 'ttlMs' | 'ttlJitter' | 'tags' | 'showEvictedMs'> & {
      readonly metadata?: string
    } = {},
  ): Promise<void> {
    checkBody(checkKey(key), body)
    const { tags } = new RenderContext(key, this.#closing.signal, options.tags)
    const { ttlMs, ttlJitter = 0, showEvictedMs } = { ...this.#defaults, ...this.#check(options) }
    const renderBeganAtMs = this.#clock.now()
    const expiresAtMs = expiryOf(ttlMs, ttlJitter, renderBeganAtMs, this.#random)
    await evictFrom(this.#store, [parseSelector(key)])
    const fill = await this.#store.begin(key, { regardless: true })
    if (fill.kind !== 'fill') throw new PagekeepError('store-failed', `The store refused to keep "${key}".`, { key })
    try {
      const { metadata } = options
      const page = {
        body,
        tags,
        renderBeganAtMs,
        ...(expiresAtMs !== undefined && { expiresAtMs }),
        ...(metadata !== undefined && { metadata }),
        ...(showEvictedMs && { showEvictedMs }),
      }
      const outcome = await fill.publish(page)
      if (showEvictedMs) await this.#guarded.dropEvicted(key)
      this.#events.emit(outcome, { key, renderMs: 0, tags })
    } finally {
      await this.#guarded.abandon(key, fill)
    }
  }

  /**
   * Evicts keys (`'a/b.html'`), subtrees (`'a/**'`), patterns (`'a/b.*'`) and tags (`{ tag }`).
   *
   * When it has resolved, no page whose render began before the call is kept, in any process on the store,
   * now or later. Rejects with `selector-invalid` or `tag-invalid` before it does anything, and with
   * `evict-failed` when a part could not be evicted: the rest was, and the whole may be repeated.
   */
  async evict(selectors: SelectorInput | readonly SelectorInput[]): Promise<EvictionReport> {
    const report = await evictFrom(this.#store, parseSelectors(selectors))
    this.#events.emit('evicted', report)
    return report
  }

  /** The keys of kept pages, those that `selector` (not a tag) matches; in no order, without a snapshot. */
  keys(selector?: SelectorInput): AsyncIterable<string> {
    return this.#store.keys(selector === undefined ? undefined : parseSelector(selector))
  }

  /**
   * Renders kept pages again and compares: the outside check that nothing stale is kept. Emits `staleFound`
   * for each page that is. Rejects with a `RangeError` for unsuitable options; renders that fail are counted.
   */
  verify(options: VerifyOptions): Promise<Verification> {
    return verify(options, {
      clock: this.#clock,
      random: this.#random,
      keys: (selector) => this.keys(selector),
      look: (key) => this.#guarded.get(key),
      found: (key) => this.#events.emit('staleFound', { key }),
    })
  }

  /** Calls `listener` on each such event; returns a function that ends it. */
  on<Name extends CacheEventName>(name: Name, listener: CacheListener<Name>): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Aborts the `signal` of renders in flight, waits for them, closes the store. Pages of a durable store
   * stay. Afterwards `getOrRender` renders and keeps nothing.
   */
  async close(): Promise<void> {
    this.#closing.abort(new PagekeepError('closed', 'The cache is closed.'))
    await this.#readThrough.settled()
    await this.#store.close()
  }

  async #answer(
    key: string,
    render: Render<PageBody>,
    options: RenderOptions | undefined,
    look: FirstLook,
  ): Promise<Answer> {
    const merged = options === undefined ? this.#defaults : { ...this.#defaults, ...this.#check(options) }
    const outer = this.#readThrough.nested.current
    const request: Request = {
      key,
      render,
      options: merged,
      outer,
      isPart: outer !== undefined,
      firstLook: look,
    }
    const problem = keyProblem(key)
    if (problem !== undefined) this.#events.fault(invalidKey(key, problem))
    return this.#readThrough.find(request, problem === undefined)
  }

  /** Asks the store, unless it is not certain at once that its pages may be served. */
  #look(key: string, options?: GetOptions): FirstLook {
    if (this.#closing.signal.aborted || this.#readThrough.nested.current !== undefined) return notTaken
    return this.#readThrough.sees ? takeLook(this.#store, key, options) : notTaken
  }

  #check<Options extends FreshnessOptions>(options: Options): Options {
    return checkShowsEvicted(checkFreshness(options), this.#store)
  }

  #watch(maxLagMs: number): Sight {
    return new Sight({
      state: this.#store.state,
      clock: this.#clock,
      maxLagMs,
      changed: (isBlind, lagMs) => this.#events.emit(isBlind ? 'blind' : 'sighted', { lagMs }),
      fault: (thrown) => {
        const message = `The store "${this.#store.name}" could not tell whether the invalidator is alive: ${reasonOf(thrown)}.`
        this.#events.fault(new PagekeepError('store-failed', message, { store: this.#store.name, cause: thrown }))
      },
    })
  }
}
