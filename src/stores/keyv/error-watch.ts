/**
 * Notices failures that Keyv does not throw. Most adapters emit `error` and carry on: a `set` that never
 * reached the server answers `true`. So while something is being written or listed, any `error` event of
 * the instance counts as its failure; suspecting too much only costs a repetition.
 *
 * The listener is there only meanwhile: Keyv 6 throws when nobody listens, and that stays as you have it.
 */
import type { KeyvLike } from './keyv-like.js'

export class ErrorWatch {
  readonly #keyv: KeyvLike
  readonly #watches = new Set<{ error: unknown }>()

  constructor(keyv: KeyvLike) {
    this.#keyv = keyv
  }

  /** Does `work`; rejects with what it throws, or with the first `error` event that came meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const watch: { error: unknown } = { error: undefined }
    this.#watches.add(watch)
    if (this.#watches.size === 1) this.#keyv.on('error', this.#note)
    try {
      const result = await work()
      if (watch.error !== undefined) throw watch.error
      return result
    } finally {
      this.#watches.delete(watch)
      if (this.#watches.size === 0) this.#keyv.off('error', this.#note)
    }
  }

  readonly #note = (error: unknown): void => {
    for (const watch of this.#watches) watch.error ??= error ?? new Error('The adapter emitted an error')
  }
}
