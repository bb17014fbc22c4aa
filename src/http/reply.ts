/**
 * From a kept page to what is sent: Age, the visitor's conditions, HEAD, a range, the coding
 * (RFC 9111, 4 and 4.3.2; RFC 9110, 13 to 15).
 */
import type { PageBody } from '../core/store.js'
import { chooseCoding } from './codings.js'
import { type Field, type Fields, type PageRequest, type Reply, requestField, without } from './message.js'
import { type ByteRange, readRange } from './ranges.js'
import type { ReadyPage, Shape } from './ready-page.js'
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

export function makeReply({ request, ready, cacheStatus, ageSeconds }: ReplyParts): Reply & { kind: 'page' } {
  const { page } = ready
  const range = requestField(request, 'range')
  const isWhole = range === undefined || request.method !== 'GET' || page.status !== 200
  const shape = ready.shape(isWhole ? chooseCoding(request, page.encodings) : undefined)
  const { bytes } = shape
  const headers = headersOf(ready, shape, cacheStatus, ageSeconds)
  if (page.status >= 200 && page.status < 300 && isUnmodified(request, shape)) {
    return pageOf(request, 304, without(headers, ofContent), undefined)
  }
  if (bodyless.has(page.status)) return pageOf(request, page.status, headers, undefined)
  const part = isWhole || !isSameForRange(request, shape) ? 'all' : readRange(range, bytes.byteLength)
  if (part === 'all') {
    headers.push(['Content-Length', String(bytes.byteLength)])
    return pageOf(request, page.status, headers, bytes)
  }
  if (part === 'none') {
    const fields = without(headers, ofContent)
    return pageOf(
      request,
      416,
      [...fields, ['Content-Range', `bytes */${bytes.byteLength}`], ['Content-Length', '0']],
      undefined,
    )
  }
  return pageOf(
    request,
    206,
    [...headers, ...rangeFields(part, bytes.byteLength)],
    bytes.subarray(part.first, part.last + 1),
  )
}

function pageOf(
  { method }: PageRequest,
  status: number,
  headers: Fields,
  body: PageBody | undefined,
): Reply & { kind: 'page' } {
  return { kind: 'page', status, headers, body: method === 'HEAD' ? undefined : body }
}

function rangeFields({ first, last }: ByteRange, size: number): Field[] {
  return [
    ['Content-Range', `bytes ${first}-${last}/${size}`],
    ['Content-Length', String(last - first + 1)],
  ]
}

function headersOf(
  { upstream, statedAge }: ReadyPage,
  { fields }: Shape,
  cacheStatus: string,
  ageSeconds: number | undefined,
): Field[] {
  const headers: Field[] = [...fields]
  headers.push(['Cache-Status', upstream === undefined ? cacheStatus : `${upstream}, ${cacheStatus}`])
  const age = ageSeconds === undefined ? statedAge : String(ageSeconds)
  if (age !== undefined) headers.push(['Age', age])
  return headers
}
