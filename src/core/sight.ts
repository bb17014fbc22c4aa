/**
 * Whether the cache still hears from its invalidator (P6).
 *
 * The invalidator leaves a sign of life beside the pages: the moment up to which every committed change
 * has been evicted. A cache with `maxLagMs` that finds that moment further back is *blind*: kept pages may
 * be stale by more than the site allows, so it renders through until the sign is fresh again. The sign is
 * read at most four times a `maxLagMs`, by whoever asks for a page; there is no timer.
 */
import type { Clock } from './clock.js'
import type { StoreState } from './store.js'

/** The name of the sign among the store's texts; its text is a time in milliseconds since 1970. */
export const signOfLife = 'sign-of-life'

export interface SightOptions {
  readonly state: StoreState
  readonly clock: Clock
  readonly maxLagMs: number
  /** Called when the cache goes blind (with how far back the sign is) and when it sees again. */
  readonly changed: (isBlind: boolean, lagMs: number) => void
  readonly fault: (thrown: unknown) => void
}

export class Sight {
  readonly #options: SightOptions
  #heardUntilMs: number
  #nextLookAtMs = Number.NEGATIVE_INFINITY
  #isBlind = false

  constructor(options: SightOptions) {
    this.#options = options
    // A cache that has never heard anything gets the same patience as one that has.
    this.#heardUntilMs = options.clock.now()
  }

  /** As `isBlind`, where that is known without a look at the sign and has not changed; else `undefined`. */
  isBlindNow(): boolean | undefined {
    const { clock, maxLagMs } = this.#options
    const nowMs = clock.now()
    const isBlind = nowMs - this.#heardUntilMs > maxLagMs
    return nowMs >= this.#nextLookAtMs || isBlind !== this.#isBlind ? undefined : isBlind
  }

  /** Whether kept pages may not be served now. */
  async isBlind(): Promise<boolean> {
    const { clock, maxLagMs } = this.#options
    const nowMs = clock.now()
    if (nowMs >= this.#nextLookAtMs) {
      this.#nextLookAtMs = nowMs + maxLagMs / 4
      await this.#look()
    }
    const lagMs = nowMs - this.#heardUntilMs
    const isBlind = lagMs > maxLagMs
    if (isBlind !== this.#isBlind) {
      this.#isBlind = isBlind
      this.#options.changed(isBlind, lagMs)
    }
    return isBlind
  }

  async #look(): Promise<void> {
    try {
      const heardUntilMs = Number(await this.#options.state.read(signOfLife))
      if (heardUntilMs > 0) this.#heardUntilMs = heardUntilMs
    } catch (thrown) {
      this.#options.fault(thrown)
    }
  }
}
