/**
 * The life of a page: look, join a flight or fly, begin a fill, look once more, render, publish.
 *
 * A fill begins before its render reads anything; that order, and the store's publish, keep a stale page
 * out (docs/decisions/0002). A fault of the store is an event, and the page is rendered and served.
 */
import { type Answer, fromFlight, fromStore } from './answer.js'
import type { Clock } from './clock.js'
import { PagekeepError, reasonOf } from './errors.js'
import type { CacheEmitter } from './events.js'
import { type Flight, Flights, type Landing } from './flight.js'
import { expiryOf, type FreshnessOptions, judge } from './freshness.js'
import type { GuardedStore } from './guarded-store.js'
import { type Render, RenderContext } from './render-context.js'
import type { RenderSlots } from './render-slots.js'
import { inTime } from './render-timeout.js'
import type { Sight } from './sight.js'
import type { Fill, KeptPage, PageBody } from './store.js'

export interface ReadThroughParts {
  readonly store: GuardedStore
  readonly clock: Clock
  readonly events: CacheEmitter
  readonly slots: RenderSlots
  readonly sight: Sight | undefined
  readonly closing: AbortSignal
  readonly random: () => number
}

/** What is asked for: a key, how to render it, and how long it is fresh. */
export interface Request {
  readonly key: string
  readonly render: Render<PageBody>
  readonly options: FreshnessOptions & { readonly tags?: readonly string[] }
}

/** A waiter on other processes looks this often before it renders by itself: eviction may outrun rendering. */
const maxWaits = 3

export class ReadThrough {
  readonly #parts: ReadThroughParts
  readonly #flights = new Flights()

  constructor(parts: ReadThroughParts) {
    this.#parts = parts
  }

  /** The page that is kept, whatever its age, unless the cache is blind. */
  async look(key: string): Promise<KeptPage | undefined> {
    const { sight, store } = this.#parts
    if (sight !== undefined && (await sight.isBlind())) return undefined
    return store.get(key)
  }

  async find(request: Request): Promise<Answer> {
    const { key, options } = request
    const { clock, events, random, closing } = this.#parts
    let isMissed = false
    for (;;) {
      // A caller may have waited while the cache was closed; the store is no longer asked.
      if (closing.aborted) return fromFlight(await this.renderOnly(request), 'rendered')
      const page = await this.look(key)
      const verdict = page === undefined ? 'dead' : judge(page, options, clock.now(), random)
      if (page !== undefined && (verdict === 'fresh' || verdict === 'refresh')) {
        events.emit('hit', { key })
        if (verdict === 'refresh') this.#refresh(request, page)
        return fromStore(page, isOverdue(page, clock.now()) ? 'stale' : 'hit')
      }
      if (!isMissed) events.emit('miss', { key })
      isMissed = true

      const flight = this.#flights.get(key)
      const state = await flight?.state()
      // Another caller may have started one while this one asked.
      if (this.#flights.get(key) !== flight) continue
      const spare = verdict === 'spare' ? page : undefined
      if (flight === undefined || state === 'doomed') {
        const own = this.#flights.start(key, (self) => this.#fly(self, request, page))
        return this.#land(own.landing, 'rendered', request, spare)
      }
      const answer = await this.#land(flight.landing, 'joined', request, spare)
      // A page that was published is proven; one that the flight found may have been evicted since.
      const isProven = state === 'current' || answer.status === 'stale' || (answer.isKept && answer.status !== 'hit')
      if (isProven) return answer
    }
  }

  /** Renders and keeps nothing: for what cannot be kept at all. */
  async renderOnly({ key, render, options }: Request): Promise<Landing> {
    const { clock, random } = this.#parts
    const renderBeganAtMs = clock.now()
    const { context, run } = this.#prepare({ key, render, options })
    const body = await run()
    return { body, source: 'unkept', renderBeganAtMs, ...about(context, options, renderBeganAtMs, random) }
  }

  /** Resolves when every render has ended. */
  settled(): Promise<void> {
    return this.#flights.settled()
  }

  /** Awaits a flight; an expired page stands in when it fails or takes longer than the soft timeout. */
  async #land(landing: Promise<Landing>, status: 'rendered' | 'joined', request: Request, spare: KeptPage | undefined) {
    if (spare === undefined) return fromFlight(await landing, status)
    const { clock, events } = this.#parts
    const { softTimeoutMs } = request.options
    const outcome = landing.then(
      (landed) => fromFlight(landed, status),
      (thrown) => {
        events.fault(renderFailed(request.key, thrown))
        return fromStore(spare, 'stale')
      },
    )
    if (softTimeoutMs === undefined) return outcome
    return new Promise<Answer>((resolve) => {
      const timer = clock.setTimer(() => resolve(fromStore(spare, 'stale')), softTimeoutMs)
      void outcome.then((answer) => {
        timer.cancel()
        resolve(answer)
      })
    })
  }

  #refresh(request: Request, known: KeptPage): void {
    if (this.#flights.get(request.key) !== undefined) return
    const flight = this.#flights.start(request.key, (self) => this.#fly(self, request, known))
    flight.landing.catch((thrown) => this.#parts.events.fault(renderFailed(request.key, thrown)))
  }

  async #fly(flight: Flight, request: Request, known: KeptPage | undefined): Promise<Landing> {
    const { store, slots, sight, clock } = this.#parts
    const { key } = request
    for (let waits = 0; ; waits++) {
      const giveBackSlot = await slots.take(key)
      try {
        const isBlind = sight !== undefined && (await sight.isBlind())
        const begun = isBlind ? undefined : await store.begin(key, { regardless: waits >= maxWaits })
        if (begun === undefined) {
          // Without a fill nobody can tell whether an eviction came: late callers do not join.
          flight.guard(() => 'unsure')
          return await this.renderOnly(request)
        }
        if (begun.kind === 'busy') {
          giveBackSlot()
          await begun.ended()
        }
        // From here on an eviction may touch what this flight brings, be it found or rendered.
        flight.guard(() => (begun.kind === 'fill' ? store.state(key, begun) : 'unsure'))
        // Another process may have kept the page since this call looked.
        const page = await store.get(key)
        if (page !== undefined && isNews(page, known, clock.now())) {
          if (begun.kind === 'fill') await store.abandon(key, begun)
          return { ...page, source: 'store' }
        }
        if (begun.kind === 'busy') continue
        return await this.#fill(begun, request)
      } finally {
        giveBackSlot()
      }
    }
  }

  async #fill(fill: Fill, request: Request): Promise<Landing> {
    const { store, clock, events, closing, random } = this.#parts
    const { key, options } = request
    const renderBeganAtMs = clock.now()
    let body: PageBody
    let context: RenderContext
    try {
      const prepared = this.#prepare(request)
      context = prepared.context
      body = await prepared.run()
    } catch (thrown) {
      await store.abandon(key, fill)
      throw thrown
    }
    const renderMs = clock.now() - renderBeganAtMs
    const { tags } = context
    const page = { body, renderBeganAtMs, ...about(context, options, renderBeganAtMs, random) }
    const isNotKept = context.isSkipped || closing.aborted || (context.isNegative && !options.negativeTtlMs)
    if (isNotKept) {
      await store.abandon(key, fill)
      return { ...page, source: 'unkept' }
    }
    const outcome = await store.publish(key, fill, {
      ...page,
      tags,
      ...(page.expiresAtMs !== undefined && { renderMs }),
    })
    if (outcome === 'kept') events.emit('kept', { key, renderMs, tags })
    if (outcome === 'doomed') events.emit('doomed', { key, renderMs })
    if (outcome === 'failed') await store.abandon(key, fill)
    return { ...page, source: outcome === 'kept' ? 'kept' : 'unkept' }
  }

  /** What the render is handed, and the function that runs it within its time and checks what it made. */
  #prepare({ key, render, options }: Request): { context: RenderContext; run: () => Promise<PageBody> } {
    const { clock, closing } = this.#parts
    const timeout = options.renderTimeoutMs === undefined ? undefined : new AbortController()
    const signal = timeout === undefined ? closing : AbortSignal.any([closing, timeout.signal])
    const context = new RenderContext(key, signal, options.tags)
    const run = async () => {
      const rendering = (async () => render(context))()
      const body =
        timeout === undefined ? rendering : inTime(rendering, key, options.renderTimeoutMs ?? 0, clock, timeout)
      return checkBody(key, await body)
    }
    return { context, run }
  }
}

/** Whether `page` is what a flight was to bring: fresh, and not the one that was known when it started. */
function isNews(page: KeptPage, known: KeptPage | undefined, nowMs: number): boolean {
  return !isOverdue(page, nowMs) && page.renderBeganAtMs !== known?.renderBeganAtMs
}

function isOverdue({ expiresAtMs }: KeptPage, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs
}

/** What there is to say of a page besides its bytes. */
function about(
  context: RenderContext,
  options: FreshnessOptions,
  beganAtMs: number,
  random: () => number,
): Pick<KeptPage, 'expiresAtMs' | 'metadata'> {
  const ttlMs = context.isNegative ? options.negativeTtlMs || undefined : (context.ttlMs ?? options.ttlMs)
  const expiresAtMs = expiryOf(ttlMs, options.ttlJitter ?? 0, beganAtMs, random)
  const { metadata } = context
  return { ...(expiresAtMs !== undefined && { expiresAtMs }), ...(metadata !== undefined && { metadata }) }
}

export function checkBody(key: string, body: unknown): PageBody {
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  const got = body === null ? 'null' : typeof body
  throw new PagekeepError('page-invalid', `Expected the page of "${key}" to be a string or a Uint8Array, got ${got}.`, {
    key,
  })
}

function renderFailed(key: string, thrown: unknown): PagekeepError {
  const message = `The render of "${key}" failed: ${reasonOf(thrown)}. An expired page is served meanwhile.`
  return new PagekeepError('render-failed', message, { key, cause: thrown })
}
