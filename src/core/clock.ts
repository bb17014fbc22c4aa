/**
 * Time as the cache sees it: handed in, so that tests own it. No clock carries safety, only freshness.
 */

/** A source of time. */
export interface Clock {
  /** Now, in milliseconds since 1970. */
  now(): number
  /** Calls `callback` once, `delayMs` from now; it never keeps the process alive. */
  setTimer(callback: () => void, delayMs: number): Timer
}

export interface Timer {
  cancel(): void
}

// setTimeout fires at once when its delay does not fit in 31 bits (24.8 days).
const maxDelayMs = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, Math.min(delayMs, maxDelayMs))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
