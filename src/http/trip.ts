/**
 * One request's way to the site and back, as the render of its page: asks, with the validators of the expired page
 * if there is one; judges what came; says what is kept with the bytes.
 *
 * A trip is *over* once the site has answered, or failed to, for this request. A request that finds a page kept,
 * or joins another's trip, never makes its own.
 */
import { isUtf8 } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'
import type { Answer } from '../core/answer.js'
import type { RenderContext } from '../core/render-context.js'
import type { PageBody } from '../core/store.js'
import { type Handling, plainHit } from './cache-status.js'
import { compressed } from './codings.js'
import { type ExpiredPage, findExpired } from './find-expired.js'
import { freshened, validatorsOf } from './freshened.js'
import {
  endToEnd,
  type Field,
  type Fields,
  fieldOf,
  type Origin,
  type OriginResponse,
  type PageRequest,
  without,
} from './message.js'
import type { PageKey } from './page-key.js'
import { isPlain } from './plain-page.js'
import type { Settings } from './settings.js'
import { encodeStored, isChosen, type StoredPage, varyOf } from './stored-page.js'
import { judgeResponse, type Verdict } from './storing.js'
import { emittedTags, receivedTags, tagFields } from './surrogate-keys.js'
import type { Turns } from './turns.js'

export interface TripParts {
  readonly settings: Settings
  readonly request: PageRequest
  readonly origin: Origin
  readonly key: PageKey
  readonly turns: Turns
}

export class Trip {
  readonly #parts: TripParts
  #isOver = false
  #isPassed = false
  #hadExpired = false
  #failure: unknown
  #unkept: { body: PageBody; metadata: string | undefined; renderBeganAtMs: number } | undefined

  constructor(parts: TripParts) {
    this.#parts = parts
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether the answer has gone to the visitor by itself. */
  get isPassed(): boolean {
    return this.#isPassed
  }

  /** What the site threw. */
  get failure(): unknown {
    return this.#failure
  }

  /** The answer of the site, when the cache failed after it had come. */
  unkept(): Answer | undefined {
    if (this.#unkept === undefined) return undefined
    const { metadata, ...rest } = this.#unkept
    return { ...rest, status: 'rendered', isKept: false, ...(metadata !== undefined && { metadata }) }
  }

  /** Whether `answer` is what the site gave for this request: it may come by way of a refresh that this request began. */
  hasMade(answer: Answer): boolean {
    return this.#unkept !== undefined && answer.metadata === this.#unkept.metadata
  }

  readonly render = async (context: RenderContext): Promise<PageBody> => {
    const { settings, origin, request, key } = this.#parts
    const { clock } = settings
    const askedAtMs = clock.now()
    const expired = await findExpired(settings.cache, key.key)
    const old = expired !== undefined && isChosen(expired.page, request) ? expired : undefined
    this.#hadExpired = old !== undefined
    let answered: OriginResponse | 'passed'
    try {
      answered = await origin({ ...this.#whatToAsk(old), context })
    } catch (thrown) {
      this.#isOver = true
      if (old !== undefined && this.#mayStandIn(old)) return this.#standIn(context, old, undefined)
      this.#failure = thrown
      throw thrown
    }
    this.#isOver = true
    if (answered === 'passed') {
      this.#isPassed = true
      return this.#refuse(context, 'long')
    }
    if (answered.status >= 500 && old !== undefined && this.#mayStandIn(old)) {
      return this.#standIn(context, old, answered.status)
    }
    const isConfirmed = answered.status === 304 && old !== undefined
    const response = isConfirmed ? freshened(old, answered) : answered
    return this.#keep(context, response, { askedAtMs, old, isConfirmed })
  }

  /** What is to be said of an answer in Cache-Status. */
  handling(answer: Answer, page: StoredPage, nowMs: number): Handling {
    const isFound = !this.#isOver && (answer.status === 'hit' || answer.status === 'stale')
    if (isFound && answer.expiresAtMs === undefined) return plainHit
    const ttl = answer.expiresAtMs === undefined ? {} : { ttlSeconds: (answer.expiresAtMs - nowMs) / 1000 }
    if (isFound) return { isHit: true, ...ttl }
    if (page.isStandIn) return { isHit: true, ...ttl, originStatus: page.originStatus, detail: 'stale-if-error' }
    const wasThere = this.#hadExpired || page.originStatus === 304
    return {
      forwarded: wasThere ? 'stale' : this.#parts.key.key.includes('@vary.') ? 'vary-miss' : 'uri-miss',
      originStatus: page.originStatus,
      isStored: answer.isKept,
      isCollapsed: answer.status === 'joined',
      detail: page.refusal ?? (answer.isKept ? undefined : 'doomed'),
    }
  }

  async #keep(
    context: RenderContext,
    response: OriginResponse,
    { askedAtMs, old, isConfirmed }: { askedAtMs: number; old: ExpiredPage | undefined; isConfirmed: boolean },
  ): Promise<PageBody> {
    const { settings, request, key } = this.#parts
    const nowMs = settings.clock.now()
    const verdict = judgeResponse(request, response, settings, askedAtMs, nowMs)
    const vary = varyOf(response.headers, request)
    const refusal =
      verdict.refusal ?? (this.#mayVary(vary) ? undefined : 'vary') ?? (context.isSkipped ? 'skip' : undefined)
    const isOwn = !verdict.isShareable || refusal === 'vary' || refusal === 'skip'
    context.tag(...receivedTags(response.headers))
    const body = bytesOf(response.body)
    const fields = this.#fields(context, response, nowMs)
    if (refusal === undefined) {
      this.#setTime(context, verdict, askedAtMs, nowMs)
      const isEndless = context.ttlMs === undefined && vary.length === 0
      if (settings.plain && isEndless && isUtf8(body) && isPlain(key.key, response, fields)) {
        return this.#remember(Buffer.from(body).toString(), undefined, askedAtMs)
      }
    } else {
      context.skip()
    }
    const isShared = refusal === undefined || !isOwn
    const isTagOurs = response.status === 200 && fieldOf(fields, 'etag') === undefined
    const page: StoredPage = {
      status: response.status,
      headers: isTagOurs ? withTag(fields, body) : fields,
      ...(isTagOurs && { isTagOurs }),
      respondedAtMs: nowMs,
      ageMs: verdict.ageMs,
      staleWhileRevalidateMs: verdict.staleWhileRevalidateMs,
      staleIfErrorMs: verdict.staleIfErrorMs,
      vary,
      stamp: old?.page.stamp ?? randomBytes(6).toString('hex'),
      encodings: isShared ? await compressed(fields, body, settings.codings) : [],
      ...(isOwn && { isOwn }),
      ...(refusal !== undefined && { refusal }),
      ...(isConfirmed && { originStatus: 304 }),
    }
    await this.#parts.turns.oneWithTime()
    const metadata = encodeStored(page)
    context.describe(metadata)
    return this.#remember(body, metadata, askedAtMs)
  }

  #whatToAsk(old: ExpiredPage | undefined) {
    const { url, cookie } = this.#parts.key
    return { url, cookie, validators: old === undefined ? {} : validatorsOf(old.page) }
  }

  /** Whether `old` may be shown although the site has failed. */
  #mayStandIn(old: ExpiredPage): boolean {
    const { staleDirectives, clock } = this.#parts.settings
    if (!staleDirectives || old.expiresAtMs === undefined) return false
    return clock.now() < old.expiresAtMs + old.page.staleIfErrorMs
  }

  #standIn(context: RenderContext, old: ExpiredPage, originStatus: number | undefined): PageBody {
    context.skip()
    context.describe(
      encodeStored({ ...old.page, isStandIn: true, ...(originStatus !== undefined && { originStatus }) }),
    )
    return old.body
  }

  /** Answers those who wait for the same page that they must ask for themselves. */
  #refuse(context: RenderContext, refusal: string): PageBody {
    context.skip()
    context.describe(
      encodeStored({
        status: 502,
        headers: [],
        respondedAtMs: this.#parts.settings.clock.now(),
        ageMs: 0,
        staleWhileRevalidateMs: 0,
        staleIfErrorMs: 0,
        vary: [],
        stamp: '',
        isOwn: true,
        refusal,
        encodings: [],
      }),
    )
    return ''
  }

  #remember(body: PageBody, metadata: string | undefined, renderBeganAtMs: number): PageBody {
    this.#unkept = { body, metadata, renderBeganAtMs }
    return body
  }

  #mayVary(vary: StoredPage['vary']): boolean {
    const { vary: allowed } = this.#parts.settings
    return allowed === 'any' || vary.every(([name]) => allowed.includes(name))
  }

  /** How long the page is fresh, counted from the start of the render, unless the render itself has said so. */
  #setTime(context: RenderContext, { lifetimeMs, ageMs }: Verdict, askedAtMs: number, nowMs: number): void {
    if (lifetimeMs === undefined || context.ttlMs !== undefined) return
    const leftMs = lifetimeMs - ageMs
    context.ttl(leftMs > 0 ? nowMs - askedAtMs + leftMs : 1)
  }

  /** The fields that are kept and sent: those of the message, with its date, and the tags for a CDN. */
  #fields(context: RenderContext, { headers }: OriginResponse, nowMs: number): Field[] {
    const { targets, emitTags } = this.#parts.settings
    const targeted = targets
      .filter((name) => name.toLowerCase() === 'surrogate-control')
      .map((name) => name.toLowerCase())
    const fields = without(endToEnd(headers), new Set([...tagFields, ...targeted]))
    if (fieldOf(fields, 'date') === undefined) fields.push(['Date', new Date(nowMs).toUTCString()])
    return [...fields, ...emittedTags(this.#parts.key.key, context.tags, emitTags)]
  }
}

/** A page without an entity tag gets one from its bytes. */
function withTag(fields: Fields, body: Uint8Array): Fields {
  return [...fields, ['ETag', `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`]]
}

function bytesOf(body: PageBody): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
