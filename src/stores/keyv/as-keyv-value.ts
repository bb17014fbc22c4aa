/**
 * What Keyv hands to an adapter, as the body of a page and back. Keyv's serializer makes text of it, which is
 * kept as it is; bytes too. Anything else (a Keyv without a serializer; text that is no UTF-8, or could be
 * taken for marked) is JSON behind a mark.
 */
import type { PageBody } from '../../core/store.js'

const jsonMark = '\u0000json:'

/** Throws a `TypeError` for what JSON cannot tell. */
export function toBody(value: unknown): PageBody {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string' && !value.startsWith('\u0000') && value.isWellFormed()) return value
  const json = JSON.stringify(value)
  if (json === undefined) throw new TypeError(`Expected a value that JSON can tell, got ${typeof value}`)
  return jsonMark + json
}

export function fromBody(body: PageBody): unknown {
  if (typeof body !== 'string') return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return body.startsWith(jsonMark) ? JSON.parse(body.slice(jsonMark.length)) : body
}
