/** How many renders run at a time: the rest queue, and when the queue is full they fail at once and clearly. */
import { PagekeepError } from './errors.js'

export interface RenderSlotsOptions {
  /** The most renders at a time in this process. Default: no limit. */
  readonly maxRenders?: number
  /** The most renders that wait for their turn; one more fails with `renders-full`. Default: no limit. */
  readonly maxQueuedRenders?: number
}

export class RenderSlots {
  readonly #maxRenders: number
  readonly #maxQueued: number
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(options: RenderSlotsOptions) {
    this.#maxRenders = checkCount('maxRenders', options.maxRenders, 1)
    this.#maxQueued = checkCount('maxQueuedRenders', options.maxQueuedRenders, 0)
  }

  /**
   * Resolves with the function that gives the slot back. Rejects with `renders-full`. While it waits, `hurried`
   * has been handed a function that ends the waiting, over the limit.
   */
  async take(key: string, hurried: (hurry: () => void) => void = () => undefined): Promise<() => void> {
    if (this.#running >= this.#maxRenders) {
      if (this.#queue.length >= this.#maxQueued) throw this.#full(key)
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve)
        hurried(() => this.#overtake(resolve))
      })
      hurried(() => undefined)
    } else {
      this.#running++
    }
    let isGivenBack = false
    return () => {
      if (isGivenBack) return
      isGivenBack = true
      // The slot goes from hand to hand, so that nobody who comes now can overtake those who wait.
      const next = this.#running > this.#maxRenders ? undefined : this.#queue.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  #overtake(resolve: () => void): void {
    const at = this.#queue.indexOf(resolve)
    if (at === -1) return
    this.#queue.splice(at, 1)
    this.#running++
    resolve()
  }

  #full(key: string): PagekeepError {
    const message =
      `"${key}" is not rendered: ${this.#running} renders are under way and ${this.#queue.length} wait, ` +
      'which is all that maxRenders and maxQueuedRenders allow. Answer 503 with Retry-After, or raise them.'
    return new PagekeepError('renders-full', message, { key })
  }
}

function checkCount(name: string, value: number | undefined, least: number): number {
  if (value === undefined) return Number.POSITIVE_INFINITY
  if (value >= least && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) return value
  throw new RangeError(`Expected ${name} to be an integer, ${least} or more, got ${String(value)}`)
}
