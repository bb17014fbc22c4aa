/**
 * A page as a file. Plain text without an expiry or metadata is nothing but its bytes, coded as the directory's pages
 * are; all other pages, empty ones too, have a record beside them, announced by a bit of the file's mode (page-record.ts).
 *
 * An empty file without a record is no page: a loss of power leaves such files.
 */
import type { KeptPage, NewPage } from '../../core/store.js'
import type { WrittenRecord } from './page-record.js'
import type { PartRecord } from './parts.js'

/** A page as it is read; `part` is for parts.ts alone. */
export interface ReadPage extends KeptPage {
  readonly part?: PartRecord
}

/** What is written for a page, before it is coded. */
export function bytesOf({ body }: NewPage): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}

/** The record of `page`, if it needs one. */
export function recordOf(page: NewPage, part: PartRecord | undefined): WrittenRecord | undefined {
  const { body, renderBeganAtMs, expiresAtMs, renderMs, metadata, showEvictedMs = 0 } = page
  const isBytes = typeof body !== 'string'
  const isPlain = expiresAtMs === undefined && metadata === undefined && part === undefined && showEvictedMs === 0
  if (!isBytes && isPlain && body.length > 0) return undefined
  const times = { ...(expiresAtMs !== undefined && { expiresAtMs }), ...(renderMs !== undefined && { renderMs }) }
  const rest = { ...(metadata !== undefined && { metadata }), ...(part !== undefined && { part }) }
  return { isBytes, renderBeganAtMs, ...times, ...rest, ...(showEvictedMs > 0 && { showEvictedMs }) }
}
