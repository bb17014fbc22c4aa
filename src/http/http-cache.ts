/**
 * A page cache that speaks HTTP, free of any framework: a request and a way to ask the site go in, what is to be
 * sent comes out. What lies in between is `cache.answer`, so all of its promises hold: a page whose eviction
 * comes while the site makes it is answered and not kept.
 *
 * RFC 9111 is followed as a cache that many share; what the site says of a page decides whether and how long it is
 * kept. Request directives (`Cache-Control: no-cache` and its like) are not obeyed: they are advisory (5.2.1), and
 * would let any visitor make the site work. docs/decisions/0015.
 */
import type { Answer } from '../core/answer.js'
import type { BytesOptions } from '../core/cache-options.js'
import { isPagekeepError } from '../core/errors.js'
import { cacheStatusOf, type Handling, plainHit } from './cache-status.js'
import { withStored } from './codings.js'
import { Crowds, type Look } from './crowds.js'
import { DecodedPages } from './decoded-pages.js'
import { Invalidation } from './invalidation.js'
import { KnownKeys } from './known-keys.js'
import { type Origin, type PageRequest, type Reply, requestField, Unanswered } from './message.js'
import { contentOf, sizeOf } from './page-content.js'
import type { PageKey } from './page-key.js'
import { isSettled, plainPage } from './plain-page.js'
import { ReadyPage } from './ready-page.js'
import { isToOpen, makeReply, type ReplyToOpen } from './reply.js'
import { checkSettings, type HttpCacheOptions, type Settings } from './settings.js'
import { isChosen } from './stored-page.js'
import { Trip } from './trip.js'
import { Turns } from './turns.js'
import { VariantCount } from './variant-count.js'
import { variantKey } from './variant-key.js'

export interface RespondOptions {
  /** Whether `origin` may still be at work when the reply has been sent. Default `true`. */
  readonly mayOutlive?: boolean
}

interface Visit {
  readonly request: PageRequest
  readonly origin: Origin
  readonly mayOutlive: boolean
  /** What is shared with others who ask for the same. */
  readonly look: Look | undefined
  /** `false` once a large page was another one when it was to be sent. */
  readonly mayStream?: boolean
}

/** For a render that must end before its reply: whatever the cache's defaults are. */
const attended = {
  asBytes: true,
  mayStream: true,
  staleWhileRevalidateMs: 0,
  earlyRefresh: 0,
  softTimeoutMs: undefined,
} as unknown as BytesOptions
// What is sent is bytes: a text would be decoded on its way from the disk, and encoded on its way to the socket.
const unshown: BytesOptions = { asBytes: true, mayStream: true, staleWhileRevalidateMs: 0 }
const shown: BytesOptions = { asBytes: true, mayStream: true, staleWhileRevalidateMs: Number.MAX_SAFE_INTEGER }

/** A page may vary by fields that only its variants name; after so many steps the site is asked. */
const maxSteps = 4

/** Makes the cache that the adapters share. Throws a `TypeError` or `RangeError` for unsuitable options. */
export class HttpCache {
  readonly settings: Settings
  readonly #keys: KnownKeys
  readonly #crowds = new Crowds()
  readonly #turns = new Turns()
  readonly #plainHit: string
  readonly #variants: VariantCount
  /** What is prepared of pages in the memory of the store. */
  readonly #ready = new WeakMap<Answer, ReadyPage>()
  readonly #decoded = new DecodedPages()
  readonly #invalidation: Invalidation

  constructor(options: HttpCacheOptions) {
    this.settings = checkSettings(options)
    this.#keys = new KnownKeys(this.settings)
    this.#plainHit = cacheStatusOf(this.settings.name, plainHit)
    this.#variants = new VariantCount(this.settings.maxVariants)
    this.#invalidation = new Invalidation(this.settings)
  }

  /**
   * What to do with `request`. Asks the site by `origin` at most once. Rejects only with what an `origin` threw, or
   * with `render-timeout` or `renders-full` of the cache. An adapter whose `origin` writes into the response that
   * the reply goes to says that it may not outlive the reply: then nothing is refreshed in the background.
   */
  async respond(request: PageRequest, origin: Origin, options?: RespondOptions): Promise<Reply> {
    return this.respondNow(request, origin, options)
  }

  /** As `respond`, without a promise where the page is at hand, or the request passes the cache by. */
  respondNow(request: PageRequest, origin: Origin, options?: RespondOptions): Reply | Promise<Reply> {
    const key = this.#keyOf(request)
    if ('kind' in key) return key
    return this.#find({ request, origin, mayOutlive: options?.mayOutlive ?? true, look: undefined }, key, 0)
  }

  /**
   * As `respondNow`, but `deliver` is called with the reply: at once; or at the end of this turn of the event loop for
   * those who ask for what others have asked for in this very moment (crowds.ts); or in a later turn when this one has
   * taken long already (turns.ts). `deliver` must not throw.
   */
  respondSoon(
    request: PageRequest,
    origin: Origin,
    deliver: (reply: Reply | Promise<Reply>) => void,
    options?: RespondOptions,
  ): void {
    const key = this.#keyOf(request)
    if ('kind' in key) {
      deliver(key)
      return
    }
    const { mayOutlive = true } = options ?? {}
    const answer = (look?: Look) => deliver(this.#findSafely({ request, origin, mayOutlive, look }, key))
    if (this.#crowds.isAskedFor(key.key, this.settings.clock.now())) this.#crowds.join(key.key, answer)
    else if (this.#turns.hasTime()) answer()
    else this.#turns.wait(answer)
  }

  /** The key of its page, or a reply that lets it pass. */
  #keyOf(request: PageRequest): PageKey | Reply {
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD') return this.#passUnsafe(request)
    if (requestField(request, 'upgrade') !== undefined) return this.#pass({ forwarded: 'bypass', detail: 'upgrade' })
    const isAuthorized = requestField(request, 'authorization') !== undefined
    if (isAuthorized && this.settings.authorization === 'pass') {
      return this.#pass({ forwarded: 'bypass', detail: 'authorization' })
    }
    const key = this.#keys.read(request)
    return typeof key === 'string' ? this.#pass({ forwarded: 'bypass', detail: key }) : key
  }

  /** Never throws: others wait behind this one. */
  #findSafely(visit: Visit, key: PageKey): Reply | Promise<Reply> {
    try {
      return this.#find(visit, key, 0)
    } catch (thrown) {
      return Promise.reject(thrown)
    }
  }

  #find(visit: Visit, key: PageKey, step: number): Reply | Promise<Reply> {
    if (!this.#variants.admits(key.page, key.key)) return this.#pass({ forwarded: 'bypass', detail: 'variants' })
    const trip = new Trip({
      settings: this.settings,
      request: visit.request,
      origin: visit.origin,
      key,
      turns: this.#turns,
    })
    const answer = this.#lookFor(visit, trip, key, step)
    if (!(answer instanceof Promise)) return this.#replyWith(answer, trip, visit, key, step)
    return this.#awaited(answer, trip).then((found) => this.#replyWith(found, trip, visit, key, step))
  }

  #replyWith(answer: Answer | undefined, trip: Trip, visit: Visit, key: PageKey, step: number): Reply | Promise<Reply> {
    const { request } = visit
    if (answer === undefined) return this.#pass({ forwarded: 'miss', isStored: false, detail: 'fault' })
    if (trip.isPassed) return { kind: 'passed' }
    const nowMs = this.settings.clock.now()
    const ready = this.#readyPage(answer, key, nowMs)
    // Kept by something else, or by another version.
    if (ready === undefined) return this.#pass({ forwarded: 'bypass', detail: 'unreadable' })
    const { page } = ready
    if (!trip.isOver && !isChosen(page, request)) {
      if (step >= maxSteps) return this.#pass({ forwarded: 'vary-miss', isStored: false, detail: 'variants' })
      return this.#find(visit, variantKey(key, page, request), step + 1)
    }
    if (answer.status === 'joined' && page.isOwn && !trip.hasMade(answer)) {
      return this.#pass({ forwarded: 'miss', isStored: false, detail: page.refusal })
    }
    const ageMs = page.ageMs + Math.max(0, nowMs - page.respondedAtMs)
    const isNew = trip.isOver && !page.isStandIn && page.originStatus === undefined && ageMs < 1000
    const draft = makeReply({
      request,
      ready,
      cacheStatus: this.#statusOf(trip.handling(answer, page, nowMs)),
      ageSeconds: isNew ? undefined : Math.floor(ageMs / 1000),
    })
    return isToOpen(draft) ? this.#opened(draft, visit, key, step) : draft
  }

  /** With the stream; from the start again where the page was evicted or replaced since it was found, then as a whole. */
  async #opened(draft: ReplyToOpen, visit: Visit, key: PageKey, step: number): Promise<Reply> {
    const { streamed, start, end } = draft.body
    const body = await streamed.open(start, end)
    return body === undefined
      ? this.#find({ ...visit, look: undefined, mayStream: false }, key, step)
      : { ...draft, body }
  }

  /** `undefined` for a page whose metadata was written by something else. */
  #readyPage(answer: Answer, { key }: PageKey, nowMs: number): ReadyPage | undefined {
    const known = this.#ready.get(answer)
    if (known !== undefined) return known
    const { metadata, status } = answer
    const content = contentOf(answer)
    const size = sizeOf(content)
    const modifiedMs = status === 'hit' || status === 'stale' ? answer.renderBeganAtMs : undefined
    const page = metadata === undefined ? plainPage(key, size, modifiedMs, nowMs) : this.#decoded.get(metadata)
    if (page === undefined) return undefined
    const ready = new ReadyPage(withStored(page, size, answer.encoded, this.settings.codings), content)
    // What a plain page is described by changes once, when its second is over.
    if (status === 'hit' && (metadata !== undefined || isSettled(modifiedMs, nowMs))) this.#ready.set(answer, ready)
    return ready
  }

  /** What others who had asked before have just been given, or what the cache says. */
  #lookFor(visit: Visit, trip: Trip, key: PageKey, step: number): Answer | Promise<Answer> {
    const { look } = visit
    if (look === undefined || step > 0) return this.#ask(trip, key, visit)
    if (look.answer !== undefined && this.settings.cache.answerAgain(key.key)) return look.answer
    const answer = this.#ask(trip, key, visit)
    look.answer = answer instanceof Promise ? undefined : answer
    return answer
  }

  #ask(trip: Trip, { key }: PageKey, { mayOutlive, mayStream = true }: Visit): Answer | Promise<Answer> {
    const { cache, staleDirectives } = this.settings
    const { render } = trip
    const mayShow = mayOutlive && staleDirectives
    const options = mayShow ? shown : mayOutlive ? unshown : attended
    const answer = cache.answerNow(key, render, mayStream ? options : { ...options, mayStream })
    if (!mayShow) return answer
    if (!(answer instanceof Promise)) return answer
    // The page itself says how long it may be shown; a render that replaces it is under way.
    return answer.then((found) =>
      found.status !== 'stale' || this.#isInWindow(found, this.settings.clock.now())
        ? found
        : cache.answer(key, render, unshown),
    )
  }

  /** What the cache answers, or `undefined` when it failed before the site was asked. */
  async #awaited(answer: Promise<Answer>, trip: Trip): Promise<Answer | undefined> {
    try {
      return await answer
    } catch (thrown) {
      const isLimit = isPagekeepError(thrown, 'render-timeout') || isPagekeepError(thrown, 'renders-full')
      if (isLimit || (trip.isOver && thrown === trip.failure)) throw thrown
      if (trip.isOver) return trip.unkept()
      // The cache failed, or another's trip brought nothing that could be shared.
      if (isPagekeepError(thrown) || thrown instanceof Unanswered) return undefined
      throw thrown
    }
  }

  #isInWindow({ metadata, expiresAtMs }: Answer, nowMs: number): boolean {
    const page = metadata === undefined ? undefined : this.#decoded.get(metadata)
    return page !== undefined && nowMs < (expiresAtMs ?? nowMs) + page.staleWhileRevalidateMs
  }

  #statusOf(handling: Handling): string {
    return handling === plainHit ? this.#plainHit : cacheStatusOf(this.settings.name, handling)
  }

  #pass(handling: Handling): Reply {
    return { kind: 'pass', cacheStatus: cacheStatusOf(this.settings.name, handling), afterwards: undefined }
  }

  /** RFC 9111, 4.4: what changes a page makes its kept copy invalid. */
  #passUnsafe(request: PageRequest): Reply {
    const cacheStatus = cacheStatusOf(this.settings.name, { forwarded: 'method' })
    if (['OPTIONS', 'TRACE', 'CONNECT'].includes(request.method)) {
      return { kind: 'pass', cacheStatus, afterwards: undefined }
    }
    return {
      kind: 'pass',
      cacheStatus,
      afterwards: (status, headers) => this.#invalidation.after(request, status, headers),
    }
  }
}
