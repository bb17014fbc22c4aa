/**
 * From a kept page to what is sent: Age, the visitor's conditions, HEAD, a range, the coding
 * (RFC 9111, 4 and 4.3.2; RFC 9110, 13 to 15).
 */
import type { PageBody } from '../core/store.js'
import { chooseCoding } from './codings.js'
import { type Field, type Fields, fieldOf, type PageRequest, type Reply, requestField, without } from './message.js'
import { type ByteRange, readRange } from './ranges.js'
import type { StoredPage } from './stored-page.js'
import { isSameForRange, isUnmodified, tagOfCoding } from './validators.js'

/** What a 304 leaves out: it describes bytes that are not sent (RFC 9110, 15.4.5). */
const ofContent = new Set(['content-length', 'content-encoding', 'content-range', 'content-type', 'content-language'])
const bodyless = new Set([204, 304])

export interface ReplyParts {
  readonly request: PageRequest
  readonly page: StoredPage
  readonly body: PageBody
  readonly cacheStatus: string
  /** How old the page is now, in seconds; `undefined` when the site has just made it. */
  readonly ageSeconds: number | undefined
}

export function makeReply({ request, page, body, cacheStatus, ageSeconds }: ReplyParts): Reply & { kind: 'page' } {
  const range = requestField(request, 'range')
  const isWhole = range === undefined || request.method !== 'GET' || page.status !== 200
  const variant = isWhole ? chooseCoding(request, page.encodings) : undefined
  const content = variant?.bytes ?? body
  const size = typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
  const headers = describe(page, variant?.coding, cacheStatus, ageSeconds)
  const send = (status: number, fields: Fields, sent: PageBody | undefined): Reply & { kind: 'page' } => ({
    kind: 'page',
    status,
    headers: fields,
    body: request.method === 'HEAD' ? undefined : sent,
  })
  if (page.status >= 200 && page.status < 300 && isUnmodified(request, headers)) {
    return send(304, without(headers, ofContent), undefined)
  }
  if (bodyless.has(page.status)) return send(page.status, headers, undefined)
  const part = isWhole || !isSameForRange(request, headers) ? 'all' : readRange(range, size)
  if (part === 'all') return send(page.status, [...headers, ['Content-Length', String(size)]], content)
  if (part === 'none') {
    const fields = without(headers, ofContent)
    return send(416, [...fields, ['Content-Range', `bytes */${size}`], ['Content-Length', '0']], undefined)
  }
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return send(206, [...headers, ...rangeFields(part, size)], bytes.subarray(part.first, part.last + 1))
}

function rangeFields({ first, last }: ByteRange, size: number): Field[] {
  return [
    ['Content-Range', `bytes ${first}-${last}/${size}`],
    ['Content-Length', String(last - first + 1)],
  ]
}

function describe(
  page: StoredPage,
  coding: string | undefined,
  cacheStatus: string,
  ageSeconds: number | undefined,
): Field[] {
  const replaced = new Set(['content-length', 'cache-status'])
  if (ageSeconds !== undefined) replaced.add('age')
  const headers = without(page.headers, replaced)
  const upstream = fieldOf(page.headers, 'cache-status')
  headers.push(['Cache-Status', upstream === undefined ? cacheStatus : `${upstream}, ${cacheStatus}`])
  if (ageSeconds !== undefined) headers.push(['Age', String(ageSeconds)])
  if (page.encodings.length > 0) addToVary(headers, 'Accept-Encoding')
  if (coding === undefined) return headers
  const etag = fieldOf(headers, 'etag')
  const coded = without(headers, new Set(['etag', 'content-encoding']))
  if (etag !== undefined) coded.push(['ETag', tagOfCoding(etag, coding)])
  coded.push(['Content-Encoding', coding])
  return coded
}

function addToVary(headers: Field[], name: string): void {
  const vary = fieldOf(headers, 'vary')
  if (vary?.toLowerCase().includes(name.toLowerCase())) return
  const index = headers.findIndex(([other]) => other.toLowerCase() === 'vary')
  if (index === -1) headers.push(['Vary', name])
  else headers[index] = ['Vary', `${headers[index]?.[1]}, ${name}`]
}
