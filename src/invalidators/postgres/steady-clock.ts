/** A clock that never goes back: when the machine's is set back, duties must not wait for it to catch up. */
import type { Clock, Timer } from '../../core/clock.js'

export class SteadyClock implements Clock {
  readonly #clock: Clock
  #lastMs: number
  #aheadMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lastMs = clock.now()
  }

  now(): number {
    const nowMs = this.#clock.now() + this.#aheadMs
    if (nowMs < this.#lastMs) this.#aheadMs += this.#lastMs - nowMs
    this.#lastMs = Math.max(nowMs, this.#lastMs)
    return this.#lastMs
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    return this.#clock.setTimer(callback, delayMs)
  }

  /** The same moment as others, who use the clock itself, name it. */
  toOthers(atMs: number): number {
    return atMs - this.#aheadMs
  }
}
