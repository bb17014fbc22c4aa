/**
 * The cache: the only room where keys, flights, the store and the events meet.
 *
 * The life of a page: store → hit, answer. Miss → join the flight of this key or start one: begin a fill,
 * look once more, render, publish, answer. The fill begins before the render reads anything; that order,
 * and the store's publish, keep a stale page out (docs/decisions/0002). A fault of the store is an event,
 * and the page is rendered and served.
 */
import { type Clock, systemClock } from './clock.js'
import { PagekeepError, reasonOf } from './errors.js'
import { CacheEmitter, type CacheEventName, type CacheListener } from './events.js'
import type { EvictionReport } from './eviction-report.js'
import { type Flight, Flights, type Landing } from './flight.js'
import { GuardedStore } from './guarded-store.js'
import type { EvictionTarget } from './invalidator.js'
import { checkKey, invalidKey, keyProblem } from './key.js'
import { checkTtl, type Render, RenderContext } from './render-context.js'
import { parseSelector, parseSelectors, type SelectorInput } from './selector.js'
import type { Fill, PageBody, Store, StoreState } from './store.js'

export interface CacheOptions {
  /** Where pages are kept. */
  readonly store: Store
  /** How long a page may be served, in milliseconds from the start of its render. Default: until evicted. */
  readonly ttlMs?: number
  /**
   * How long an asynchronous store may take for one answer, in milliseconds; after that the page is
   * rendered and served without it. Default 2000.
   */
  readonly storeTimeoutMs?: number
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

export interface RenderOptions {
  /** As `CacheOptions.ttlMs`, for this page. */
  readonly ttlMs?: number
  /** Tags that are known before the render. */
  readonly tags?: readonly string[]
}

/** An answer with its story. */
export interface Answer<Body extends PageBody = PageBody> {
  readonly body: Body
  /** `hit`: from the store. `rendered`: by this call. `joined`: by another call, while this one waited. */
  readonly status: 'hit' | 'rendered' | 'joined'
  /** Whether the page is in the store (an eviction or a fault may have kept it out). */
  readonly isKept: boolean
  /** When its render began, in milliseconds since 1970. */
  readonly renderBeganAtMs: number
  readonly expiresAtMs?: number
}

/** A waiter on other processes looks at most this often before it renders by itself: eviction may outrun rendering. */
const maxWaits = 3

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
  readonly #ttlMs: number | undefined
  readonly #flights = new Flights()
  readonly #events = new CacheEmitter()
  readonly #closing = new AbortController()

  constructor(options: CacheOptions) {
    checkStore(options?.store)
    const timeoutMs = options.storeTimeoutMs ?? 2000
    if (!(timeoutMs > 0)) throw new RangeError(`Expected storeTimeoutMs to be a positive number, got ${timeoutMs}`)
    this.#store = options.store
    this.#clock = options.clock ?? systemClock
    this.#ttlMs = checkTtl(options.ttlMs)
    const fault = (error: PagekeepError) => this.#events.fault(error)
    this.#guarded = new GuardedStore({ store: this.#store, clock: this.#clock, timeoutMs, fault })
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
   * `error` events; the page is rendered and served. Rejects with a `TypeError` when the render returns
   * neither text nor bytes.
   */
  async getOrRender<Body extends PageBody>(key: string, render: Render<Body>, options?: RenderOptions): Promise<Body> {
    return (await this.answer(key, render, options)).body
  }

  /** As `getOrRender`, with where the page came from. */
  async answer<Body extends PageBody>(
    key: string,
    render: Render<Body>,
    options: RenderOptions = {},
  ): Promise<Answer<Body>> {
    checkTtl(options.ttlMs)
    const problem = keyProblem(key)
    if (problem !== undefined || this.#closing.signal.aborted) {
      if (problem !== undefined) this.#events.fault(invalidKey(key, problem))
      return told(await this.#renderOnly(key, render, options), 'rendered')
    }
    return (await this.#find(key, render, options)) as Answer<Body>
  }

  /** The kept page of `key`, or `undefined`. Throws `key-invalid`; a fault of the store is an event. */
  async get(key: string): Promise<PageBody | undefined> {
    const page = await this.#guarded.get(checkKey(key))
    this.#events.emit(page === undefined ? 'miss' : 'hit', { key })
    return page?.body
  }

  /**
   * Keeps `body` under `key`, in place of what was there and of renders in flight. What an eviction
   * before this call touched may be in `body`: the cache cannot know when you read it. `getOrRender` can.
   * Rejects with `key-invalid`, `page-invalid`, or what the store reports.
   */
  async set(key: string, body: PageBody, options: RenderOptions = {}): Promise<void> {
    checkKey(key)
    const context = this.#contextFor(key, options)
    const renderBeganAtMs = this.#clock.now()
    checkBody(key, body)
    await this.#evict([parseSelector(key)])
    const fill = await this.#store.begin(key, { regardless: true })
    if (fill.kind !== 'fill') throw new PagekeepError('store-failed', `The store refused to keep "${key}".`, { key })
    const { tags } = context
    try {
      const page = { body, tags, renderBeganAtMs, ...expiry(renderBeganAtMs, context.ttlMs) }
      const outcome = await fill.publish(page)
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
    const report = await this.#evict(parseSelectors(selectors))
    this.#events.emit('evicted', report)
    return report
  }

  /** The keys of kept pages, those that `selector` (not a tag) matches; in no order, without a snapshot. */
  keys(selector?: SelectorInput): AsyncIterable<string> {
    return this.#store.keys(selector === undefined ? undefined : parseSelector(selector))
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
    await this.#flights.settled()
    await this.#store.close()
  }

  async #find(key: string, render: Render<PageBody>, options: RenderOptions): Promise<Answer> {
    let isMissed = false
    for (;;) {
      const page = await this.#guarded.get(key)
      if (page !== undefined) {
        this.#events.emit('hit', { key })
        return { ...page, status: 'hit', isKept: true }
      }
      if (!isMissed) this.#events.emit('miss', { key })
      isMissed = true

      const flight = this.#flights.get(key)
      const state = await flight?.state()
      if (flight === undefined || state === 'doomed') {
        // Another caller may have started one while this one asked.
        if (this.#flights.get(key) !== flight) continue
        const own = this.#flights.start(key, (self) => this.#fly(self, key, render, options))
        return told(await own.landing, 'rendered')
      }
      const landing = await flight.landing
      if (state === 'current' || landing.source !== 'unkept') return told(landing, 'joined')
    }
  }

  async #fly(flight: Flight, key: string, render: Render<PageBody>, options: RenderOptions): Promise<Landing> {
    for (let waits = 0; ; waits++) {
      const begun = await this.#guarded.begin(key, { regardless: waits >= maxWaits })
      if (begun === undefined) {
        // Without a fill nobody can tell whether an eviction came: late callers do not join.
        flight.beginRender(() => 'unsure')
        return this.#renderOnly(key, render, options)
      }
      if (begun.kind === 'busy') await begun.ended()
      // Another process may have kept the page since this call looked.
      const page = await this.#guarded.get(key)
      if (page !== undefined) {
        if (begun.kind === 'fill') await this.#guarded.abandon(key, begun)
        return { ...page, source: 'store' }
      }
      if (begun.kind === 'busy') continue
      flight.beginRender(() => this.#guarded.state(key, begun))
      return this.#fill(begun, key, render, options)
    }
  }

  async #fill(fill: Fill, key: string, render: Render<PageBody>, options: RenderOptions): Promise<Landing> {
    const renderBeganAtMs = this.#clock.now()
    let body: PageBody
    const context = this.#contextFor(key, options)
    try {
      body = checkBody(key, await render(context))
    } catch (thrown) {
      await this.#guarded.abandon(key, fill)
      throw thrown
    }
    const life = expiry(renderBeganAtMs, context.ttlMs)
    if (context.isSkipped || this.#closing.signal.aborted) {
      await this.#guarded.abandon(key, fill)
      return { body, source: 'unkept', renderBeganAtMs, ...life }
    }
    const { tags } = context
    const outcome = await this.#guarded.publish(key, fill, { body, tags, renderBeganAtMs, ...life })
    const renderMs = this.#clock.now() - renderBeganAtMs
    if (outcome === 'kept') this.#events.emit('kept', { key, renderMs, tags })
    if (outcome === 'doomed') this.#events.emit('doomed', { key, renderMs })
    if (outcome === 'failed') await this.#guarded.abandon(key, fill)
    return { body, source: outcome === 'kept' ? 'kept' : 'unkept', renderBeganAtMs, ...life }
  }

  async #renderOnly<Body extends PageBody>(
    key: string,
    render: Render<Body>,
    options: RenderOptions,
  ): Promise<Landing & { body: Body }> {
    const renderBeganAtMs = this.#clock.now()
    const context = this.#contextFor(key, options)
    const body = await render(context)
    checkBody(key, body)
    return { body, source: 'unkept', renderBeganAtMs, ...expiry(renderBeganAtMs, context.ttlMs) }
  }

  #contextFor(key: string, options: RenderOptions): RenderContext {
    const ttlMs = checkTtl(options.ttlMs) ?? this.#ttlMs
    return new RenderContext(key, this.#closing.signal, {
      ...(ttlMs !== undefined && { ttlMs }),
      ...(options.tags !== undefined && { tags: options.tags }),
    })
  }

  async #evict(selectors: readonly ReturnType<typeof parseSelector>[]): Promise<EvictionReport> {
    const texts = selectors.map((selector) => selector.text)
    const store = this.#store.name
    const fail = (what: string, cause: unknown): never => {
      const message = `Could not evict ${what} from the store "${store}": ${reasonOf(cause)}. Pages may be stale; repeat the eviction.`
      throw new PagekeepError('evict-failed', message, { key: what, store, cause })
    }
    const eviction = await Promise.resolve()
      .then(() => this.#store.evict(selectors))
      .catch((thrown) => fail(texts.join(', '), thrown))
    const { removed, keys, doomed, failures } = eviction
    const [first] = failures
    if (first !== undefined) {
      const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : ''
      fail(`${first.key ?? first.selector.text}${more}`, first.cause)
    }
    return { selectors: texts, removed, keys, doomed }
  }
}

function told<Body extends PageBody>(landing: Landing & { body: Body }, status: 'rendered' | 'joined'): Answer<Body> {
  const { source, ...page } = landing
  return { ...page, status: source === 'store' ? 'hit' : status, isKept: source !== 'unkept' }
}

function expiry(renderBeganAtMs: number, ttlMs: number | undefined): { expiresAtMs?: number } {
  return ttlMs === undefined || ttlMs === Number.POSITIVE_INFINITY ? {} : { expiresAtMs: renderBeganAtMs + ttlMs }
}

function checkBody(key: string, body: unknown): PageBody {
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  const got = body === null ? 'null' : typeof body
  throw new PagekeepError('page-invalid', `Expected the page of "${key}" to be a string or a Uint8Array, got ${got}.`, {
    key,
  })
}

function checkStore(store: unknown): void {
  if (typeof (store as Store | undefined)?.begin === 'function') return
  throw new TypeError(`Expected a store, such as new MemoryStore(), got ${store === null ? 'null' : typeof store}`)
}
