/**
 * Visitors who ask for one page at the same moment, answered together: by one look at the store that comes after all of
 * them have asked, so that none is shown what was evicted before. On a busy server a look at the disk is what a hit
 * spends most on. Decision 0015.
 *
 * - The first who asks for a key in a millisecond is answered at once.
 * - Who asks for it in the same millisecond waits until this turn of the event loop has heard all who have asked.
 *
 * Price: they also wait for what handlers of other requests do in this turn.
 *
 * Map and set are replaced here, not cleared: V8 links the table of a cleared one to the next, so that from a table which has
 * grown old hang all who came later, and none of them goes with the young garbage.
 */
import { AsyncResource } from 'node:async_hooks'
import type { Answer } from '../core/answer.js'

/** What one look has found: nothing yet, or what can be given to all. */
export interface Look {
  answer: Answer | undefined
}

type Visitor = (look: Look) => void

export class Crowds {
  #asked = new Set<string>()
  #waiting = new Map<string, Visitor[]>()
  #atMs = Number.NEGATIVE_INFINITY

  /** Whether `key` has been asked for in this millisecond already; from now on it has. */
  isAskedFor(key: string, nowMs: number): boolean {
    if (nowMs !== this.#atMs) this.#asked = new Set()
    this.#atMs = nowMs
    if (this.#asked.has(key)) return true
    this.#asked.add(key)
    return false
  }

  /** Calls `visitor` at the end of this turn, in the asynchronous context of this call. */
  join(key: string, visitor: Visitor): void {
    if (this.#waiting.size === 0) setImmediate(this.#turnEnds)
    const scope = new AsyncResource('PagekeepVisit', { requireManualDestroy: true })
    const inScope: Visitor = (look) => scope.runInAsyncScope(visitor, undefined, look)
    const crowd = this.#waiting.get(key)
    if (crowd === undefined) this.#waiting.set(key, [inScope])
    else crowd.push(inScope)
  }

  readonly #turnEnds = (): void => {
    const crowds = this.#waiting
    this.#waiting = new Map()
    for (const crowd of crowds.values()) {
      const look: Look = { answer: undefined }
      for (const visitor of crowd) visitor(look)
    }
  }
}
