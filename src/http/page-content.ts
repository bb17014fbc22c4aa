/** What a page holds: text, bytes, or what reads them while they are sent; and a part of the latter. */
import type { Answer } from '../core/answer.js'
import type { PageBody, StreamedBody } from '../core/store.js'

export type PageContent = PageBody | StreamedBody

/** From `start` on, without the byte at `end`. */
export interface StreamedPart {
  readonly streamed: StreamedBody
  readonly start: number
  readonly end: number
}

export function contentOf({ body, streamed }: Answer): PageContent {
  return streamed ?? body
}

export function isStreamed(content: PageContent): content is StreamedBody {
  return typeof content === 'object' && 'open' in content
}

/** In bytes. */
export function sizeOf(content: PageContent): number {
  if (typeof content === 'string') return Buffer.byteLength(content)
  return isStreamed(content) ? content.size : content.byteLength
}
