/**
 * Requests that arrive together, spread over turns of the event loop: each takes a hit's time of it, and so many at
 * once would keep everything else of the process waiting. A turn that has lasted `longestMs` takes up no more; the
 * others wait, in their order, and timers and sockets have their turn in between. Decision 0016.
 *
 * Price: who waits is answered by some 20 microseconds later for each turn in between, and by what others do in them.
 */
import { AsyncResource } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'

/** In milliseconds. Some ten hits of 10 KB from the disk, thirty from memory. */
const longestMs = 0.5

export class Turns {
  #beganAtMs: number | undefined
  #waiting: (() => void)[] = []
  #isScheduled = false

  /** Whether this turn has time for one more, who then is to be taken up at once. */
  hasTime(): boolean {
    return this.#waiting.length === 0 && this.#isEarly()
  }

  #isEarly(): boolean {
    if (this.#beganAtMs === undefined) {
      this.#beganAtMs = performance.now()
      globalThis.setImmediate(this.#turnEnds)
      return true
    }
    return performance.now() - this.#beganAtMs < longestMs
  }

  /** Resolves in a turn that has time: at once, or in a later one. Those who wait so come before new requests. */
  async oneWithTime(): Promise<void> {
    while (!this.#isEarly()) await setImmediate()
  }

  /** Calls `work` in a later turn, in the asynchronous context of this call. It must not throw. */
  wait(work: () => void): void {
    const scope = new AsyncResource('PagekeepVisit', { requireManualDestroy: true })
    this.#waiting.push(() => scope.runInAsyncScope(work))
  }

  readonly #turnEnds = (): void => {
    this.#beganAtMs = undefined
    // What is asked for here comes in the next turn, after its timers and sockets.
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return
    this.#isScheduled = true
    globalThis.setImmediate(this.#takeUp)
  }

  readonly #takeUp = (): void => {
    this.#isScheduled = false
    const waiting = this.#waiting
    this.#waiting = []
    const beganAtMs = performance.now()
    let next = 0
    do waiting[next++]?.()
    while (next < waiting.length && performance.now() - beganAtMs < longestMs)
    this.#waiting = [...waiting.slice(next), ...this.#waiting]
    this.#schedule()
  }
}
