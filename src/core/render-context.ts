/**
 * What a render is handed: where it says what the page depends on, and whether to keep it.
 */
import { checkTag } from './selector.js'

/** Makes the page of one key. Called after the fill has begun, so whatever it reads is new enough. */
export type Render<Body> = (context: RenderContext) => Body | Promise<Body>

export class RenderContext {
  readonly key: string
  /** Aborted when the cache is closed while the render runs. */
  readonly signal: AbortSignal
  readonly #tags = new Set<string>()
  #isSkipped = false
  #ttlMs: number | undefined

  constructor(
    key: string,
    signal: AbortSignal,
    options: { readonly ttlMs?: number; readonly tags?: readonly string[] },
  ) {
    this.key = key
    this.signal = signal
    this.#ttlMs = options.ttlMs
    if (options.tags !== undefined) this.tag(...options.tags)
  }

  /**
   * Says that the page is made from what `tags` stand for: an eviction of one of them evicts the page.
   * May be called at any time until the render ends. Throws `tag-invalid`.
   */
  tag(...tags: string[]): void {
    for (const tag of tags) this.#tags.add(checkTag(tag))
  }

  get tags(): readonly string[] {
    return [...this.#tags]
  }

  /** Answers the page and does not keep it. */
  skip(): void {
    this.#isSkipped = true
  }

  get isSkipped(): boolean {
    return this.#isSkipped
  }

  /** How long the page may be served, in milliseconds from the start of its render; `undefined`: until evicted. */
  get ttlMs(): number | undefined {
    return this.#ttlMs
  }

  /** Sets {@link ttlMs}, over what the call or the cache said. */
  ttl(ttlMs: number | undefined): void {
    this.#ttlMs = checkTtl(ttlMs)
  }
}

/** Returns `ttlMs`, or throws a `RangeError`. */
export function checkTtl(ttlMs: number | undefined): number | undefined {
  if (ttlMs === undefined || (typeof ttlMs === 'number' && ttlMs > 0)) return ttlMs
  throw new RangeError(`Expected ttlMs to be a positive number of milliseconds, got ${String(ttlMs)}`)
}
