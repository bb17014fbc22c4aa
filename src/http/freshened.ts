/** A page past its time that the site confirms: RFC 9111, 4.3. */
import type { ExpiredPage } from './find-expired.js'
import { endToEnd, fieldOf, type OriginResponse, without } from './message.js'
import type { StoredPage } from './stored-page.js'
import { tagFields } from './surrogate-keys.js'

/** What the site can be asked by whether a page is still right; not by a tag that was made here. */
export function validatorsOf(page: StoredPage): { etag?: string; lastModified?: string } {
  const etag = page.isTagOurs ? undefined : fieldOf(page.headers, 'etag')
  const lastModified = fieldOf(page.headers, 'last-modified')
  return { ...(etag !== undefined && { etag }), ...(lastModified !== undefined && { lastModified }) }
}

/** RFC 9111, 3.2: what a 304 does not change, for it belongs to the bytes that are kept. */
const ofBytes = new Set(['content-encoding', 'content-length', 'content-md5', 'content-range', 'etag'])

/** The page that a 304 has confirmed, with the fields that the 304 brought. */
export function freshened(old: ExpiredPage, { headers }: OriginResponse): OriginResponse {
  const news = without(endToEnd(headers), ofBytes)
  // A message without a date is of the moment it came (RFC 9110, 6.6.1).
  const replaced = new Set([...news.map(([name]) => name.toLowerCase()), 'age', 'date', ...tagFields])
  return { status: old.page.status, headers: [...without(old.page.headers, replaced), ...news], body: old.body }
}
