/**
 * One render a key in this process: the first caller flies, later ones join, unless that could hand them
 * a page older than their call.
 *
 * A flight is, to one who arrives:
 * - `current`: it has not looked for the page yet, or nothing was evicted since. Join, and take what it brings.
 * - `unsure`: something was evicted since, and whether it touches this page shows only at the end. Wait:
 *   a page that was *published* is proven; any other answer is not for late callers, who then look again.
 * - `doomed`: not for late callers. They leave it and start another.
 */
import type { Making } from './nested-renders.js'
import type { Awaitable, FillState, KeptPage } from './store.js'

/** How a flight ended: with a page that is in the store, or with one that is not. */
export interface Landing extends Omit<KeptPage, 'lineage'> {
  /** From the store, rendered and kept, or rendered only. */
  readonly source: 'store' | 'kept' | 'unkept'
  /** What a page that is made of this one inherits. */
  readonly lineage?: () => string | undefined
}

export class Flight {
  readonly landing: Promise<Landing>
  /** What its renders make. */
  readonly makings = new Set<Making>()
  #state: () => Awaitable<FillState> = () => 'current'
  #isUrgent = false
  #urged: () => void = () => undefined

  constructor(fly: (flight: Flight) => Promise<Landing>) {
    this.landing = fly(this)
  }

  /** Called before the flight looks for the page or renders it: from here on `state` tells whether an eviction came. */
  guard(state: () => Awaitable<FillState>): void {
    this.#state = state
  }

  /** Somebody who has a turn to render waits for it: it does not wait for its own turn any longer. */
  urge(): void {
    this.#isUrgent = true
    this.#urged()
  }

  get isUrgent(): boolean {
    return this.#isUrgent
  }

  /** What ends its waiting for a turn. */
  whenUrged(urged: () => void): void {
    this.#urged = urged
  }

  async state(): Promise<FillState> {
    try {
      return await this.#state()
    } catch {
      return 'unsure'
    }
  }
}

/** The flights of one process, by key. */
export class Flights {
  readonly #byKey = new Map<string, Flight>()

  get size(): number {
    return this.#byKey.size
  }

  get(key: string): Flight | undefined {
    return this.#byKey.get(key)
  }

  /** Starts a flight; a doomed one of the same key is no longer found. */
  start(key: string, fly: (flight: Flight) => Promise<Landing>): Flight {
    const flight: Flight = new Flight(async (self) => {
      // The map must hold the flight before any of its work runs.
      await undefined
      try {
        return await fly(self)
      } finally {
        if (this.#byKey.get(key) === self) this.#byKey.delete(key)
      }
    })
    this.#byKey.set(key, flight)
    return flight
  }

  /** Resolves when every flight has landed. */
  async settled(): Promise<void> {
    while (this.#byKey.size > 0) {
      await Promise.allSettled([...this.#byKey.values()].map((flight) => flight.landing))
    }
  }
}
