/**
 * From a kept page to what is sent: Age, the visitor's conditions, HEAD, a range, the coding
 * (RFC 9111, 4 and 4.3.2; RFC 9110, 13 to 15).
 */
import type { PageBody } from '../core/store.js'
import { type Field, type Fields, type PageRequest, requestField, without } from './message.js'
import type { StreamedPart } from './page-content.js'
import { isPrepared, type PreparedReply, prepareReply } from './prepared-reply.js'
import { type ByteRange, readRange } from './ranges.js'
import type { ReadyPage } from './ready-page.js'
import type { Shape } from './shape.js'
import { isSameForRange, isUnmodified } from './validators.js'

/** What a 304 leaves out: it describes bytes that are not sent (RFC 9110, 15.4.5). */
const ofContent = new Set(['content-length', 'content-encoding', 'content-range', 'content-type', 'content-language'])
const bodyless = new Set([204, 304])

export interface ReplyParts {
  readonly request: PageRequest
  readonly ready: ReadyPage
  readonly cacheStatus: string
  /** How old the page is now, in seconds; `undefined` when the site has just made it. */
  readonly ageSeconds: number | undefined
}

interface PlainReply<Body> {
  readonly kind: 'page'
  readonly status: number
  readonly headers: Fields
  readonly body: Body
}

/** What is to be read while it is sent must be opened first. */
export type ReplyToOpen = PlainReply<StreamedPart>
export type ReplyDraft = PreparedReply | PlainReply<PageBody | undefined> | ReplyToOpen

export function isToOpen(draft: ReplyDraft): draft is ReplyToOpen {
  // To ask a prepared reply for its body would make bytes of its text.
  return !isPrepared(draft) && typeof draft.body === 'object' && 'streamed' in draft.body
}

export function makeReply(parts: ReplyParts): ReplyDraft {
  const { request, ready } = parts
  const { page } = ready
  const range = requestField(request, 'range')
  const isWhole = range === undefined || request.method !== 'GET' || page.status !== 200
  const shape = isWhole ? ready.shapeFor(request) : ready.plain
  if (page.status >= 200 && page.status < 300 && isUnmodified(request, shape)) {
    return pageOf(request, 304, without(headersOf(parts, shape), ofContent), undefined)
  }
  if (bodyless.has(page.status)) return pageOf(request, page.status, headersOf(parts, shape), undefined)
  const part = isWhole || !isSameForRange(request, shape) ? 'all' : readRange(range, shape.size)
  if (part === 'all') return wholeOf(parts, shape)
  if (part === 'none') {
    const fields = without(headersOf(parts, shape), ofContent)
    return pageOf(
      request,
      416,
      [...fields, ['Content-Range', `bytes */${shape.size}`], ['Content-Length', '0']],
      undefined,
    )
  }
  return pageOf(
    request,
    206,
    [...headersOf(parts, shape), ...rangeFields(part, shape.size)],
    shape.part(part.first, part.last + 1),
  )
}

/** The same for all who ask in the same second. */
function wholeOf(parts: ReplyParts, shape: Shape): ReplyDraft {
  const { request, ready, cacheStatus, ageSeconds } = parts
  if (shape.streamed !== undefined) {
    const headers = [...headersOf(parts, shape), ['Content-Length', String(shape.size)] as const]
    return pageOf(request, ready.page.status, headers, shape.part(0, shape.size))
  }
  let whole = shape.lastWhole
  if (whole?.cacheStatus !== cacheStatus || whole.ageSeconds !== ageSeconds) {
    const headers = [...headersOf(parts, shape), ['Content-Length', String(shape.size)] as const]
    whole = prepareReply({ status: ready.page.status, headers, shape, cacheStatus, ageSeconds })
    shape.lastWhole = whole
  }
  return request.method === 'HEAD' ? pageOf(request, whole.status, whole.headers, undefined) : whole
}

function pageOf(
  { method }: PageRequest,
  status: number,
  headers: Fields,
  body: PageBody | StreamedPart | undefined,
): ReplyDraft {
  return { kind: 'page', status, headers, body: method === 'HEAD' ? undefined : body } as ReplyDraft
}

function rangeFields({ first, last }: ByteRange, size: number): Field[] {
  return [
    ['Content-Range', `bytes ${first}-${last}/${size}`],
    ['Content-Length', String(last - first + 1)],
  ]
}

function headersOf({ ready, cacheStatus, ageSeconds }: ReplyParts, { fields }: Shape): Field[] {
  const { upstream, statedAge } = ready
  const headers: Field[] = [...fields]
  headers.push(['Cache-Status', upstream === undefined ? cacheStatus : `${upstream}, ${cacheStatus}`])
  const age = ageSeconds === undefined ? statedAge : String(ageSeconds)
  if (age !== undefined) headers.push(['Age', age])
  return headers
}
