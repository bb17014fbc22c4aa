/** Sleep that can be cut short: what the listener's loop waits on. A ring while nobody sleeps is kept. */
import type { Clock } from '../../core/clock.js'

export class Alarm {
  readonly #clock: Clock
  #hasRung = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#hasRung = true
    this.#wake?.()
  }

  /** Resolves after `delayMs` (`Infinity`: never by itself), or as soon as it rings. One sleeper at a time. */
  async sleep(delayMs: number): Promise<void> {
    if (!this.#hasRung && delayMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = delayMs === Number.POSITIVE_INFINITY ? undefined : this.#clock.setTimer(resolve, delayMs)
        this.#wake = () => {
          timer?.cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#hasRung = false
  }
}
