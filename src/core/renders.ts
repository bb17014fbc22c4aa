/**
 * One render and what becomes of it: it is run within its time, what it made is checked, and the fill that
 * began before it publishes the page, with its tags, its expiry, and what it inherits from its parts.
 */
import type { Clock } from './clock.js'
import { PagekeepError } from './errors.js'
import type { CacheEmitter, CacheEvents } from './events.js'
import type { FirstLook } from './first-look.js'
import type { Flight, Landing } from './flight.js'
import { expiryOf, type FreshnessOptions } from './freshness.js'
import type { GuardedStore } from './guarded-store.js'
import { Making, type NestedRenders } from './nested-renders.js'
import { type Render, RenderContext } from './render-context.js'
import { inTime } from './render-timeout.js'
import type { Fill, KeptPage, NewPage, PageBody } from './store.js'

export interface RendersParts {
  readonly store: GuardedStore
  readonly clock: Clock
  readonly events: CacheEmitter
  readonly closing: AbortSignal
  readonly random: () => number
}

/** What is asked for: a key, how to render it, and how long it is fresh. */
export interface Request {
  readonly key: string
  readonly render: Render<PageBody>
  readonly options: FreshnessOptions & { readonly tags?: readonly string[] }
  /** The page that is being made of this one, if a render asks. */
  readonly outer?: Making | undefined
  /** Whether pages are made of it. */
  readonly isPart: boolean
  /** A look at the store that found nothing to be answered at once, so that it is not asked twice. */
  readonly firstLook: FirstLook
}

export class Renders {
  readonly #parts: RendersParts
  readonly #nested: NestedRenders
  #renders = 0

  constructor(parts: RendersParts, nested: NestedRenders) {
    this.#parts = parts
    this.#nested = nested
  }

  /** For what cannot be kept at all. */
  withoutKeeping(request: Request, flight?: Flight): Promise<Landing> {
    return this.#told(request.key, () => this.#withoutKeeping(request, flight))
  }

  andKeep(fill: Fill, request: Request, flight: Flight): Promise<Landing> {
    return this.#told(request.key, () => this.#andKeep(fill, request, flight))
  }

  /** Tells when a render begins and what became of it. */
  async #told(key: string, rendering: () => Promise<Landing>): Promise<Landing> {
    const { clock, events } = this.#parts
    const id = ++this.#renders
    const beganAtMs = clock.now()
    let outcome: CacheEvents['renderEnded']['outcome'] = 'failed'
    events.emit('renderBegan', { key, id })
    try {
      const landing = await rendering()
      outcome = landing.source === 'kept' ? 'kept' : 'unkept'
      return landing
    } finally {
      events.emit('renderEnded', { key, id, tookMs: clock.now() - beganAtMs, outcome })
    }
  }

  async #withoutKeeping(request: Request, flight: Flight | undefined): Promise<Landing> {
    const { clock, random } = this.#parts
    const renderBeganAtMs = clock.now()
    const { context, run } = this.#prepare(request, flight)
    const body = await run()
    return { body, source: 'unkept', renderBeganAtMs, ...about(context, request.options, renderBeganAtMs, random) }
  }

  async #andKeep(fill: Fill, request: Request, flight: Flight): Promise<Landing> {
    const { store, clock, closing, random } = this.#parts
    const { key, options } = request
    const renderBeganAtMs = clock.now()
    const { context, making, run } = this.#prepare(request, flight)
    let body: PageBody
    try {
      body = await run()
    } catch (thrown) {
      await store.abandon(key, fill)
      throw thrown
    }
    const renderMs = clock.now() - renderBeganAtMs
    const page = {
      body,
      renderBeganAtMs,
      ...about(context, options, renderBeganAtMs, random, making.expiresAtMs),
    }
    const { unkeptPart } = making
    const isNotKept = context.isSkipped || closing.aborted || (context.isNegative && !options.negativeTtlMs)
    if (isNotKept || unkeptPart !== undefined) {
      if (!isNotKept && unkeptPart !== undefined) this.#parts.events.emit('doomed', { key, renderMs, part: unkeptPart })
      await store.abandon(key, fill)
      await this.#replaceEvicted(request)
      return { ...page, source: 'unkept' }
    }
    const parts = making.lineages
    const isKept = await this.#publish(fill, request, renderMs, {
      ...page,
      tags: context.tags,
      ...(page.expiresAtMs !== undefined && { renderMs }),
      ...(parts.length > 0 && { parts }),
      ...(request.isPart && { isPart: true }),
      ...(options.showEvictedMs && { showEvictedMs: options.showEvictedMs }),
    })
    if (isKept) await this.#replaceEvicted(request)
    return isKept ? { ...page, source: 'kept', lineage: () => fill.lineage?.() } : { ...page, source: 'unkept' }
  }

  /** A page that says by itself that it is not to be kept replaces the evicted one as well; a doomed one does not. */
  async #replaceEvicted({ key, options }: Request): Promise<void> {
    if (options.showEvictedMs) await this.#parts.store.dropEvicted(key)
  }

  async #publish(fill: Fill, { key }: Request, renderMs: number, page: NewPage): Promise<boolean> {
    const { store, events } = this.#parts
    const outcome = await store.publish(key, fill, page)
    if (outcome === 'kept') events.emit('kept', { key, renderMs, tags: page.tags })
    if (outcome === 'doomed') events.emit('doomed', { key, renderMs })
    if (outcome === 'failed') await store.abandon(key, fill)
    return outcome === 'kept'
  }

  /** What the render is handed, and the function that runs it within its time and checks what it made. */
  #prepare({ key, render, options, outer }: Request, flight: Flight | undefined) {
    const { clock, closing } = this.#parts
    const timeout = options.renderTimeoutMs === undefined ? undefined : new AbortController()
    const signal = timeout === undefined ? closing : AbortSignal.any([closing, timeout.signal])
    const context = new RenderContext(key, signal, options.tags)
    const making = new Making(key, outer)
    flight?.makings.add(making)
    const run = async (): Promise<PageBody> => {
      const rendering = this.#nested.during(making, async () => render(context))
      const body =
        timeout === undefined ? rendering : inTime(rendering, key, options.renderTimeoutMs ?? 0, clock, timeout)
      return checkBody(key, await body)
    }
    return { context, making, run }
  }
}

/** What there is to say of a page besides its bytes. */
function about(
  context: RenderContext,
  options: FreshnessOptions,
  beganAtMs: number,
  random: () => number,
  notAfterMs = Number.POSITIVE_INFINITY,
): Pick<KeptPage, 'expiresAtMs' | 'metadata'> {
  const ttlMs = context.isNegative ? options.negativeTtlMs || undefined : (context.ttlMs ?? options.ttlMs)
  const expiresAtMs = Math.min(expiryOf(ttlMs, options.ttlJitter ?? 0, beganAtMs, random) ?? notAfterMs, notAfterMs)
  const { metadata } = context
  return {
    ...(expiresAtMs !== Number.POSITIVE_INFINITY && { expiresAtMs }),
    ...(metadata !== undefined && { metadata }),
  }
}

export function checkBody(key: string, body: unknown): PageBody {
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  const got = body === null ? 'null' : typeof body
  throw new PagekeepError('page-invalid', `Expected the page of "${key}" to be a string or a Uint8Array, got ${got}.`, {
    key,
  })
}
