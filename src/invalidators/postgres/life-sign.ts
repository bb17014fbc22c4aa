/**
 * Leaves beside the pages up to when every committed change has been evicted, for caches with `maxLagMs`
 * (core/sight.ts).
 *
 * Rows that are set aside do not hold it back: one bad row must not switch the cache off; they are told by
 * themselves. A queue that rests does, and so does one whose rows are locked by others. Second looks do not:
 * a dump that runs for an hour must not switch it off either.
 */
import { reasonOf } from '../../core/errors.js'
import { signOfLife } from '../../core/sight.js'
import type { StoreState } from '../../core/store.js'
import type { SteadyClock } from './steady-clock.js'

export interface LifeSignOptions {
  readonly state: StoreState
  readonly clock: SteadyClock
  /** How often it is written, at most. */
  readonly intervalMs: number
  readonly failed: (reason: string, cause: unknown) => void
}

export class LifeSign {
  readonly #options: LifeSignOptions
  #writtenMs = Number.NEGATIVE_INFINITY
  #hasFailed = false

  constructor(options: LifeSignOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async write(coveredUntilMs: number): Promise<void> {
    const { state, clock, intervalMs, failed } = this.#options
    if (coveredUntilMs - this.#writtenMs < intervalMs || !Number.isFinite(coveredUntilMs)) return
    this.#writtenMs = coveredUntilMs
    try {
      await state.write(signOfLife, String(clock.toOthers(coveredUntilMs)))
      this.#hasFailed = false
    } catch (thrown) {
      if (!this.#hasFailed) failed(`The sign of life cannot be written: ${reasonOf(thrown)}.`, thrown)
      this.#hasFailed = true
    }
  }
}
