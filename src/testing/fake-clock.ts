/** A clock that tests own: it stands still until it is advanced. */
import type { Clock, Timer } from '../core/clock.js'

export class FakeClock implements Clock {
  #nowMs: number
  #timers: { readonly atMs: number; readonly callback: () => void }[] = []

  /** Starts at `nowMs`, in milliseconds since 1970. */
  constructor(nowMs = 1_577_836_800_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.length
  }

  /** Moves time forward by `byMs`, calling each timer at its moment, in order. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const [next] = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.callback()
    }
    this.#nowMs = untilMs
  }
}
