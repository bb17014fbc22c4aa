/** How the site is asked for a page that others may get: without what concerns this visitor's copy only. */
import type { OriginCall } from './message.js'

/** Conditions, ranges and codings, which are this layer's to answer, and cookies. */
export const visitorsOwn: readonly string[] = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
  'accept-encoding',
  'cookie',
]

/** The fields that take their place: the cookies that matter, and the conditions of a page whose validators are known. */
export function fieldsForAll({ validators, cookie }: OriginCall): [name: string, value: string][] {
  const { etag, lastModified } = validators
  const conditions: [string, string][] = []
  if (cookie !== undefined) conditions.push(['Cookie', cookie])
  if (etag !== undefined) conditions.push(['If-None-Match', etag])
  if (lastModified !== undefined) conditions.push(['If-Modified-Since', lastModified])
  return conditions
}
