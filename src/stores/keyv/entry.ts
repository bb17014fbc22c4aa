/**
 * What is kept under `p/<key>`: the page and the stamps it was made under. Plain JSON values only, with bytes
 * as base64, so that it comes out of every serializer as it went in.
 */
import type { KeptPage, NewPage } from '../../core/store.js'

export interface Entry extends Omit<KeptPage, 'body'> {
  /** An adapter may change names (Keyv 6's `sanitize` does): the page of another key is noticed by this. */
  readonly key: string
  readonly text?: string
  readonly base64?: string
  /** In the order of `stampsAbove(key)`. */
  readonly stamps: readonly string[]
  /** Tags with their stamps. */
  readonly tags: readonly (readonly [tag: string, stamp: string])[]
}

export const entryName = (key: string) => `p/${key}`

export function makeEntry(key: string, page: NewPage, stamps: readonly string[], tags: Entry['tags']): Entry {
  const { body, tags: _, ...rest } = page
  const content = typeof body === 'string' ? { text: body } : { base64: bytesOf(body).toString('base64') }
  return { key, ...rest, ...content, stamps, tags }
}

/** Returns `record` when it is an entry, whole. */
export function entryOf(record: unknown): Entry | undefined {
  const entry = (record ?? {}) as Partial<Entry>
  const hasBody = typeof entry.text === 'string' || typeof entry.base64 === 'string'
  const isWhole = typeof entry.key === 'string' && Array.isArray(entry.stamps) && Array.isArray(entry.tags)
  return hasBody && isWhole && typeof entry.renderBeganAtMs === 'number' ? (entry as Entry) : undefined
}

export function pageOf(entry: Entry): KeptPage {
  const { key: _key, stamps: _stamps, tags: _tags, text, base64, ...rest } = entry
  return { ...rest, body: text ?? Buffer.from(base64 ?? '', 'base64') }
}

function bytesOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
