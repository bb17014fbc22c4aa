/**
 * What a dashboard remembers of the time before somebody looked: a sample of the numbers every few seconds, and
 * the last evictions, dooms, blind periods and faults. All of it is bounded, and gone with the process.
 */
import type { PagekeepError } from '../core/errors.js'
import type { ObservedCache, ObservedEviction, ObservedInvalidator, Observer } from '../metrics/index.js'

/** The numbers of the seconds before `atMs`. */
export interface RecordedSample {
  readonly atMs: number
  readonly hits: number
  readonly misses: number
  readonly renders: number
  /** Of the renders that ended; `null` when none did. In milliseconds. */
  readonly medianMs: number | null
  readonly slowMs: number | null
}

export interface RecordedFault {
  readonly source: 'cache' | 'invalidator'
  readonly code: string
  readonly message: string
  readonly count: number
  readonly lastAtMs: number
}

export const sampleEveryMs = 5000
/** A quarter of an hour. */
const maxSamples = 180
export const maxEvents = 50
/** Keys and selectors that are shown of one eviction. */
const maxShown = 12

export class Recorder {
  readonly samples: RecordedSample[] = []
  readonly evictions: ObservedEviction[] = []
  readonly dooms: { readonly atMs: number; readonly key: string }[] = []
  readonly blindPeriods: { readonly fromMs: number; untilMs: number | null }[] = []
  readonly faults = new Map<string, RecordedFault>()
  readonly #observer: Observer
  readonly #offs: (() => void)[] = []
  readonly #timer: NodeJS.Timeout
  readonly #watchers = new Set<() => void>()
  #tookMs: number[] = []
  #hits = 0
  #misses = 0

  constructor(observer: Observer, cache: ObservedCache, invalidator: ObservedInvalidator | undefined) {
    this.#observer = observer
    this.#hits = observer.metrics.hits.total
    this.#misses = observer.metrics.misses.total
    this.#offs.push(
      observer.onEviction((eviction) => {
        const { keys, selectors, why, removed, doomed } = eviction
        // Most second looks find nothing, and would push out what did.
        if (why === 'second-look' && removed + doomed === 0) return
        push(this.evictions, { ...eviction, keys: keys.slice(0, maxShown), selectors: selectors.slice(0, maxShown) })
        this.#tell()
      }),
      cache.on('doomed', ({ key }) => push(this.dooms, { atMs: Date.now(), key })),
      cache.on('renderEnded', ({ tookMs }) => {
        if (this.#tookMs.length < 10_000) this.#tookMs.push(tookMs)
      }),
      cache.on('blind', () => push(this.blindPeriods, { fromMs: Date.now(), untilMs: null })),
      cache.on('sighted', () => {
        const last = this.blindPeriods.at(-1)
        if (last !== undefined) last.untilMs = Date.now()
      }),
      cache.on('error', (error) => this.#fault('cache', error)),
    )
    if (invalidator !== undefined) {
      this.#offs.push(invalidator.on('error', (error) => this.#fault('invalidator', error)))
    }
    this.#timer = setInterval(() => this.sample(), sampleEveryMs)
    this.#timer.unref()
  }

  /** Calls `watcher` after each eviction and fault. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Takes a sample now; the timer does so every five seconds. */
  sample(): void {
    const { hits, misses } = this.#observer.metrics
    const tookMs = this.#tookMs.sort((a, b) => a - b)
    this.#tookMs = []
    const share = (part: number) => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * part))] ?? null
    this.samples.push({
      atMs: Date.now(),
      hits: hits.total - this.#hits,
      misses: misses.total - this.#misses,
      renders: tookMs.length,
      medianMs: share(0.5),
      slowMs: share(0.95),
    })
    if (this.samples.length > maxSamples) this.samples.shift()
    this.#hits = hits.total
    this.#misses = misses.total
  }

  close(): void {
    clearInterval(this.#timer)
    for (const off of this.#offs.splice(0)) off()
    this.#watchers.clear()
  }

  #fault(source: 'cache' | 'invalidator', { code, message }: PagekeepError): void {
    const name = `${source} ${code}`
    const count = (this.faults.get(name)?.count ?? 0) + 1
    this.faults.set(name, { source, code, message, count, lastAtMs: Date.now() })
    this.#tell()
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}

function push<T>(list: T[], item: T): void {
  list.push(item)
  if (list.length > maxEvents) list.shift()
}
