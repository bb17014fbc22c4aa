/** An answer with its story: what `cache.answer` gives. */
import type { Landing } from './flight.js'
import type { EncodedBody, KeptPage, PageBody, StreamedBody } from './store.js'

export interface Answer<Body extends PageBody = PageBody> {
  readonly body: Body
  /**
   * `hit`: from the store. `stale`: from the store and past its time, as `staleWhileRevalidateMs`,
   * `staleIfErrorMs` or `softTimeoutMs` allow, or evicted from it, as `showEvictedMs` does (then it is not
   * kept). `rendered`: by this call. `joined`: by another call, while this one waited.
   */
  readonly status: 'hit' | 'stale' | 'rendered' | 'joined'
  /** Whether the page is in the store (an eviction or a fault may have kept it out). */
  readonly isKept: boolean
  /** When its render began, in milliseconds since 1970. */
  readonly renderBeganAtMs: number
  /** From when on it is no longer fresh. */
  readonly expiresAtMs?: number
  /** What the render said of the page with `context.describe()`. */
  readonly metadata?: string
  /** The same body encoded, where the store has it so. Do not change it in place. */
  readonly encoded?: EncodedBody
  /** In place of the body, which is empty then. Only for who asked with `mayStream`. */
  readonly streamed?: StreamedBody
}

export function fromStore(page: Omit<KeptPage, 'lineage'>, status: 'hit' | 'stale'): Answer {
  return { ...outline(page), status, isKept: true }
}

export function fromEvicted(page: Omit<KeptPage, 'lineage'>): Answer {
  return { ...outline(page), status: 'stale', isKept: false }
}

export function fromFlight(landing: Landing, status: 'rendered' | 'joined'): Answer {
  if (landing.source === 'store') return fromStore(landing, 'hit')
  return { ...outline(landing), status, isKept: landing.source === 'kept' }
}

function outline({ body, renderBeganAtMs, expiresAtMs, metadata, encoded, streamed }: Omit<KeptPage, 'lineage'>) {
  return {
    body,
    renderBeganAtMs,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
    ...(metadata !== undefined && { metadata }),
    ...(encoded !== undefined && { encoded }),
    ...(streamed !== undefined && { streamed }),
  }
}
