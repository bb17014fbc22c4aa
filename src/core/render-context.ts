/**
 * What a render is handed: where it says what the page depends on, and whether and how long to keep it.
 */
import { checkDuration } from './freshness.js'
import { checkTag } from './selector.js'
import type { PageBody } from './store.js'

/** Makes the page of one key. Called after the fill has begun, so whatever it reads is new enough. */
export type Render<Body extends PageBody> = (context: RenderContext) => Body | Promise<Body>

export class RenderContext {
  readonly key: string
  /** Aborted when the cache is closed or the render has taken `renderTimeoutMs`. */
  readonly signal: AbortSignal
  readonly #tags = new Set<string>()
  #isSkipped = false
  #isNegative = false
  #ttlMs: number | undefined
  #metadata: string | undefined

  constructor(key: string, signal: AbortSignal, tags: readonly string[] = []) {
    this.key = key
    this.signal = signal
    this.tag(...tags)
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

  /** Says that there is nothing at this key (a 404): the page is kept for `negativeTtlMs`, by default not at all. */
  negative(): void {
    this.#isNegative = true
  }

  get isNegative(): boolean {
    return this.#isNegative
  }

  /** Sets how long the page is fresh, in milliseconds from the start of its render, over what the call or the cache said. */
  ttl(ttlMs: number): void {
    this.#ttlMs = checkDuration(ttlMs, 'ttlMs')
  }

  /** What `ttl()` set. */
  get ttlMs(): number | undefined {
    return this.#ttlMs
  }

  /**
   * Keeps a text with the page, in one step with its bytes: a status, headers, whatever `answer()` is to give
   * back as `metadata`. The last call counts. Price on disk: a second small file. Throws a `TypeError`.
   */
  describe(metadata: string): void {
    if (typeof metadata !== 'string') throw new TypeError(`Expected metadata to be a string, got ${typeof metadata}`)
    this.#metadata = metadata
  }

  /** What `describe()` set. */
  get metadata(): string | undefined {
    return this.#metadata
  }
}
