/**
 * The life of a page: look, join a flight or fly, begin a fill, look once more, render, publish.
 *
 * A fill begins before its render reads anything; that order, and the store's publish, keep a stale page
 * out (docs/decisions/0002). A fault of the store is an event, and the page is rendered and served.
 */
import { type Answer, fromEvicted, fromFlight, fromStore } from './answer.js'
import { PagekeepError, reasonOf } from './errors.js'
import { notTaken } from './first-look.js'
import { type Flight, Flights, type Landing } from './flight.js'
import { judge } from './freshness.js'
import { NestedRenders, refuseCircle, refuseRecursion } from './nested-renders.js'
import type { RenderSlots } from './render-slots.js'
import { Renders, type RendersParts, type Request } from './renders.js'
import type { Sight } from './sight.js'
import type { EvictedPage, KeptPage } from './store.js'

export interface ReadThroughParts extends RendersParts {
  readonly slots: RenderSlots
  readonly sight: Sight | undefined
}

/** An answer, and what a page that is made of it inherits. */
interface Found {
  readonly answer: Answer
  readonly lineage?: (() => string | undefined) | undefined
}

/** A waiter on other processes looks this often before it renders by itself: eviction may outrun rendering. */
const maxWaits = 3

export class ReadThrough {
  readonly nested = new NestedRenders()
  readonly #parts: ReadThroughParts
  readonly #flights = new Flights()
  readonly #renders: Renders

  constructor(parts: ReadThroughParts) {
    this.#parts = parts
    this.#renders = new Renders(parts, this.nested)
  }

  /** The page that is kept, whatever its age, unless the cache is blind. */
  async look(key: string, isPart = false): Promise<KeptPage | undefined> {
    const { sight, store } = this.#parts
    if (sight !== undefined && (await sight.isBlind())) return undefined
    return store.get(key, { asPart: isPart })
  }

  /** Whether kept pages may be served, as far as that can be said without a look at the sign of life. */
  get sees(): boolean {
    const { sight } = this.#parts
    return sight === undefined || sight.isBlindNow() === false
  }

  /** The page of a request, kept or rendered. What asks for it while it is rendered itself inherits. */
  async find(request: Request, canBeKept: boolean): Promise<Answer> {
    const { key, outer } = request
    if (outer === undefined) return (await this.#find(request, canBeKept)).answer
    refuseRecursion(key, outer)
    try {
      const { answer, lineage } = await this.#find(request, canBeKept)
      const inherited = answer.isKept && answer.status !== 'stale' ? lineage?.() : undefined
      if (inherited === undefined) outer.includeUnkept(key)
      else outer.inherit(inherited, answer.expiresAtMs)
      return answer
    } catch (thrown) {
      // A page that does without it would do so for ever.
      outer.includeUnkept(key)
      throw thrown
    }
  }

  /** Resolves when every render has ended. */
  settled(): Promise<void> {
    return this.#flights.settled()
  }

  async #find(request: Request, canBeKept: boolean): Promise<Found> {
    const { key, options, isPart, outer } = request
    const { store, clock, events, random, closing } = this.#parts
    let { firstLook } = request
    let isMissed = false
    for (;;) {
      // A caller may have waited while the cache was closed; the store is no longer asked.
      if (!canBeKept || closing.aborted)
        return { answer: fromFlight(await this.#renders.withoutKeeping(request), 'rendered') }
      // It was taken because the cache sees, and by nobody's render.
      const looked = firstLook === notTaken ? this.look(key, isPart) : store.answered(key, firstLook)
      firstLook = notTaken
      const page = usable(await looked, isPart)
      const verdict = page === undefined ? 'dead' : judge(page, options, clock.now(), random)
      if (page !== undefined && (verdict === 'fresh' || verdict === 'refresh')) {
        events.emit('hit', { key })
        if (verdict === 'refresh') this.#refresh(request, page)
        return { answer: fromStore(page, isOverdue(page, clock.now()) ? 'stale' : 'hit'), lineage: () => page.lineage }
      }
      if (!isMissed) events.emit('miss', { key })
      isMissed = true
      const evicted = page === undefined ? await this.#lookForEvicted(request) : undefined
      if (evicted !== undefined) {
        events.emit('shownEvicted', { key, evictedMsAgo: evicted.evictedMsAgo })
        this.#refresh(request, undefined)
        return { answer: fromEvicted(evicted.page) }
      }

      const flight = this.#flights.get(key)
      const state = await flight?.state()
      // Another caller may have started one while this one asked.
      if (this.#flights.get(key) !== flight) continue
      const spare = verdict === 'spare' ? page : undefined
      if (flight === undefined || state === 'doomed') {
        const own = this.#flights.start(key, (self) => this.#fly(self, request, page))
        return this.#land(own, 'rendered', request, spare)
      }
      if (outer !== undefined) {
        refuseCircle(flight, outer)
        flight.urge()
      }
      const found = await this.#land(flight, 'joined', request, spare)
      const { answer, lineage } = found
      // A page that was published is proven; one that the flight found may have been evicted since.
      const isProven = state === 'current' || answer.status === 'stale' || (answer.isKept && answer.status !== 'hit')
      const isInheritable = !isPart || !answer.isKept || lineage?.() !== undefined
      if (isProven && isInheritable) return found
    }
  }

  /** The page that was evicted, if it may be shown. Never to a render: what is made of it could not be kept. */
  async #lookForEvicted({ key, options: { showEvictedMs = 0 }, outer }: Request): Promise<EvictedPage | undefined> {
    const { store, sight, clock } = this.#parts
    if (showEvictedMs === 0 || outer !== undefined) return undefined
    if (sight !== undefined && (await sight.isBlind())) return undefined
    const evicted = await store.getEvicted(key)
    if (evicted === undefined || evicted.evictedMsAgo >= showEvictedMs) return undefined
    return isOverdue(evicted.page, clock.now()) ? undefined : evicted
  }

  /** Awaits a flight; an expired page stands in when it fails or takes longer than the soft timeout. */
  async #land(flight: Flight, status: 'rendered' | 'joined', request: Request, spare?: KeptPage): Promise<Found> {
    const { outer } = request
    const landing = flight.landing.then((landed) => ({ answer: fromFlight(landed, status), lineage: landed.lineage }))
    outer?.awaits.add(flight)
    try {
      return await (spare === undefined ? landing : this.#landOr(spare, landing, request))
    } finally {
      outer?.awaits.delete(flight)
    }
  }

  #landOr(spare: KeptPage, landing: Promise<Found>, { key, options: { softTimeoutMs } }: Request): Promise<Found> {
    const { clock, events } = this.#parts
    const standIn = { answer: fromStore(spare, 'stale') }
    const outcome = landing.catch((thrown) => {
      events.fault(renderFailed(key, thrown))
      return standIn
    })
    if (softTimeoutMs === undefined) return outcome
    return new Promise<Found>((resolve) => {
      const timer = clock.setTimer(() => resolve(standIn), softTimeoutMs)
      void outcome.then((found) => {
        timer.cancel()
        resolve(found)
      })
    })
  }

  #refresh(request: Request, known: KeptPage | undefined): void {
    if (this.#flights.get(request.key) !== undefined) return
    // Nobody waits for it, so it is made for nobody.
    const unasked = { ...request, outer: undefined }
    const flight = this.#flights.start(request.key, (self) => this.#fly(self, unasked, known))
    flight.landing.catch((thrown) => this.#parts.events.fault(renderFailed(request.key, thrown)))
  }

  async #fly(flight: Flight, request: Request, known: KeptPage | undefined): Promise<Landing> {
    const { store, sight, clock } = this.#parts
    const { key, isPart } = request
    for (let waits = 0; ; waits++) {
      const giveBackSlot = await this.#takeSlot(flight, request)
      try {
        const isBlind = sight !== undefined && (await sight.isBlind())
        const begun = isBlind ? undefined : await store.begin(key, { regardless: waits >= maxWaits })
        if (begun === undefined) {
          // Without a fill nobody can tell whether an eviction came: late callers do not join.
          flight.guard(() => 'unsure')
          return await this.#renders.withoutKeeping(request, flight)
        }
        if (begun.kind === 'busy') {
          giveBackSlot()
          await begun.ended()
        }
        // From here on an eviction may touch what this flight brings, be it found or rendered.
        flight.guard(() => (begun.kind === 'fill' ? store.state(key, begun) : 'unsure'))
        // Another process may have kept the page since this call looked.
        const page = usable(await store.get(key, { asPart: isPart }), isPart)
        if (page !== undefined && isNews(page, known, clock.now())) {
          if (begun.kind === 'fill') await store.abandon(key, begun)
          return { ...page, source: 'store', lineage: () => page.lineage }
        }
        if (begun.kind === 'busy') continue
        return await this.#renders.andKeep(begun, request, flight)
      } finally {
        giveBackSlot()
      }
    }
  }

  /** A page that is asked for by a render is rendered in that render's turn: to wait for one more could be for ever. */
  async #takeSlot(flight: Flight, { key, outer }: Request): Promise<() => void> {
    if (outer !== undefined || flight.isUrgent) return () => undefined
    return this.#parts.slots.take(key, (hurry) => flight.whenUrged(hurry))
  }
}

/** A page is no use to one that is made of it unless it tells what is to be inherited: then it is rendered anew. */
function usable(page: KeptPage | undefined, isPart: boolean): KeptPage | undefined {
  return isPart && page?.lineage === undefined ? undefined : page
}

/** Whether `page` is what a flight was to bring: fresh, and not the one that was known when it started. */
function isNews(page: KeptPage, known: KeptPage | undefined, nowMs: number): boolean {
  return !isOverdue(page, nowMs) && page.renderBeganAtMs !== known?.renderBeganAtMs
}

function isOverdue({ expiresAtMs }: KeptPage, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs
}

function renderFailed(key: string, thrown: unknown): PagekeepError {
  const message = `The render of "${key}" failed: ${reasonOf(thrown)}. The older page is served meanwhile.`
  return new PagekeepError('render-failed', message, { key, cause: thrown })
}
