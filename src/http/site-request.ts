/** How the site is asked for a page that others may get: without what concerns this visitor's copy only. */
import type { OriginCall } from './message.js'

/** Conditions, ranges and codings: they are this layer's to answer. */
export const visitorsOwn: readonly string[] = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
  'accept-encoding',
]

/** The fields of a conditional request for a page whose validators are known. */
export function conditionsOf({ validators }: OriginCall): [name: string, value: string][] {
  const { etag, lastModified } = validators
  const conditions: [string, string][] = []
  if (etag !== undefined) conditions.push(['If-None-Match', etag])
  if (lastModified !== undefined) conditions.push(['If-Modified-Since', lastModified])
  return conditions
}
