/**
 * Renders within renders: a page that asks the cache for others while it is rendered is *made of* them, and
 * must not outlive any of them.
 *
 * Nobody has to say so: the asynchronous context of a render is followed (`AsyncLocalStorage`). What its page
 * inherits is collected in its `Making`: the lineage of each part, which its store understands (core/store.ts),
 * and the earliest moment at which a part is no longer fresh. A page with a part that was not kept, or is only
 * shown for want of a better one, is answered and not kept. See docs/decisions/0017.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { PagekeepError } from './errors.js'
import type { Flight } from './flight.js'

/** One page being made, and what it inherits so far. */
export class Making {
  readonly key: string
  /** The page whose render asked for this one. */
  readonly outer: Making | undefined
  /** The flights that its render waits for. */
  readonly awaits = new Set<Flight>()
  readonly #lineages = new Set<string>()
  #expiresAtMs = Number.POSITIVE_INFINITY
  #unkeptPart: string | undefined

  constructor(key: string, outer: Making | undefined) {
    this.key = key
    this.outer = outer
  }

  /** A part that is kept and fresh, with what the page inherits from it. */
  inherit(lineage: string, expiresAtMs = Number.POSITIVE_INFINITY): void {
    this.#lineages.add(lineage)
    this.#expiresAtMs = Math.min(this.#expiresAtMs, expiresAtMs)
  }

  /** A part of which no eviction would be heard. */
  includeUnkept(key: string): void {
    this.#unkeptPart ??= key
  }

  get lineages(): readonly string[] {
    return [...this.#lineages]
  }

  /** When the first of its parts is no longer fresh; infinite when none expires. */
  get expiresAtMs(): number {
    return this.#expiresAtMs
  }

  /** The key of a part that forbids keeping the page. */
  get unkeptPart(): string | undefined {
    return this.#unkeptPart
  }
}

/**
 * The context is followed while a render is under way, and not otherwise: Node lets every promise of the process pay
 * for each storage that was used and not disabled, and forgets none, not even that of a cache which is closed.
 */
export class NestedRenders {
  readonly #storage = new AsyncLocalStorage<Making>()
  #underWay = 0

  /** The page whose render this code belongs to. */
  get current(): Making | undefined {
    return this.#storage.getStore()
  }

  /** Runs a render: what it asks the cache for belongs to `making`. */
  async during<T>(making: Making, render: () => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await this.#storage.run(making, render)
    } finally {
      if (--this.#underWay === 0) this.#storage.disable()
    }
  }
}

/** Throws `render-recursive` when `key`, asked for while `outer` is made, is one of the pages it is made for. */
export function refuseRecursion(key: string, outer: Making): void {
  for (let making: Making | undefined = outer; making !== undefined; making = making.outer) {
    if (making.key === key) throw recursive(key, outer.key)
  }
}

/** As `refuseRecursion`, for joining a flight of another caller: it may wait, over others, for `outer`. */
export function refuseCircle(flight: Flight, outer: Making): void {
  const waiting = new Set<Making>()
  for (let making: Making | undefined = outer; making !== undefined; making = making.outer) waiting.add(making)
  const seen = new Set<Flight>()
  const visit = (next: Flight): void => {
    if (seen.has(next)) return
    seen.add(next)
    for (const making of next.makings) {
      if (waiting.has(making)) throw recursive(making.key, outer.key)
      for (const awaited of making.awaits) visit(awaited)
    }
  }
  visit(flight)
}

function recursive(key: string, asker: string): PagekeepError {
  return new PagekeepError(
    'render-recursive',
    `The render of "${asker}" asks for "${key}", which waits for "${asker}": neither could ever end. ` +
      'Leave one of the two out of the other, or render it without the cache.',
    { key },
  )
}
