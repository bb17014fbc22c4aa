/**
 * Listens to a cache and its invalidator, and holds what can be counted of them.
 *
 * Most numbers rise with events: a hit costs one increment. What is a state rather than an event (lag, backlog,
 * size) is looked up when somebody asks, by `collect()`. There is no timer, and no event carries a key into a label.
 *
 * An eviction that an invalidator has done is told twice, by the cache and by the invalidator; both tell of the
 * same report, so it is counted once, with the invalidator's why.
 */
import { type Clock, systemClock } from '../core/clock.js'
import type { PagekeepError } from '../core/errors.js'
import type { EvictionReport } from '../core/eviction-report.js'
import { signOfLife } from '../core/sight.js'
import type { Cell, MetricFamily, Numbers } from './metric.js'
import { createMetrics, type Metrics } from './metric-list.js'
import {
  type ObservedCache,
  type ObservedInvalidator,
  type ObservedRule,
  readStatus,
  ruleName,
  statesOf,
} from './observed.js'
import { prometheusContentType, writePrometheus } from './prometheus.js'

/** An eviction, with what is known of where it came from. */
export interface ObservedEviction {
  /** When it was done, in milliseconds since 1970. */
  readonly atMs: number
  /** `call` for one that was asked for directly; else what the invalidator said. */
  readonly why: string
  readonly rules: readonly string[]
  readonly selectors: readonly string[]
  readonly removed: number
  readonly keys: readonly string[]
  readonly doomed: number
}

/** What a store tells of its size. */
export interface Usage {
  readonly bytes?: number | undefined
  readonly pages?: number | undefined
}

export interface ObserverOptions {
  readonly cache: ObservedCache
  /** One that runs in this process. Without it, lag is known all the same: from the sign of life beside the pages. */
  readonly invalidator?: ObservedInvalidator
  /** Rules, or their names: each then counts from zero on, so that one which never matched can be seen. */
  readonly rules?: readonly (string | ObservedRule)[]
  /** How large the store is; asked at each `collect()`. A `MemoryStore` has `bytes` and `size` to make it of. */
  readonly usage?: () => Usage | Promise<Usage>
  /** Default: the machine's. */
  readonly clock?: Clock
}

export class Observer {
  readonly metrics: Metrics = createMetrics()
  readonly #options: ObserverOptions
  readonly #clock: Clock
  readonly #offs: (() => void)[] = []
  readonly #listeners = new Set<(eviction: ObservedEviction) => void>()
  /** Reports of the cache whose why is not known yet. */
  readonly #reports = new Set<EvictionReport>()
  /** By key: how many renders of it are under way, and how many of them are known to be doomed. */
  readonly #rendering = new Map<string, { count: number; doomed: number }>()
  #blindSinceMs: number | undefined
  #inFlight = 0

  /** Listens from now on, until `close()`. */
  constructor(options: ObserverOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#begin()
    this.#listenToCache(options.cache)
    if (options.invalidator !== undefined) this.#listenToInvalidator(options.invalidator)
  }

  /** How many renders are under way. */
  get rendersInFlight(): number {
    return this.#inFlight
  }

  /** Looks up what is a state, and returns every number. Rejects never: what cannot be known is left out. */
  async collect(): Promise<MetricFamily[]> {
    await Promise.all([this.#lookForLag(), this.#lookForUsage()])
    this.#lookAtInvalidator()
    this.metrics.inFlight.at().value = this.#inFlight
    this.metrics.blind.at().value = this.#blindSinceMs === undefined ? 0 : 1
    this.#countBlindTime()
    return Object.values(this.metrics).map((family) => family.collect())
  }

  /** What `Content-Type` the text of `prometheus()` has. */
  get contentType(): string {
    return prometheusContentType
  }

  /** Every number as Prometheus' text: the body of `/metrics`. */
  async prometheus(): Promise<string> {
    return writePrometheus(await this.collect())
  }

  /** Calls `listener` for each eviction; returns a function that ends it. What it throws is a process warning. */
  onEviction(listener: (eviction: ObservedEviction) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `end` at `close()`. */
  whenClosed(end: () => void): void {
    this.#offs.push(end)
  }

  /** Listens no more. The numbers stay as they are. */
  close(): void {
    for (const off of this.#offs.splice(0)) off()
    this.#listeners.clear()
  }

  /** What is known from the start is zero from the start: a rate needs a number to rise from. */
  #begin(): void {
    const { metrics } = this
    const { rules = [], invalidator } = this.#options
    const plain: Numbers[] = [metrics.hits, metrics.misses, metrics.kept, metrics.doomed, metrics.shownEvicted]
    plain.push(metrics.doomedByEviction, metrics.staleFound, metrics.blindSeconds)
    for (const counter of plain) counter.at()
    for (const outcome of ['kept', 'doomed', 'unkept', 'failed']) metrics.renders.at(outcome)
    metrics.errors.at('cache', 'evict-failed')
    metrics.evictions.at('call')
    metrics.removed.at('call')
    if (invalidator === undefined) return
    metrics.errors.at('invalidator', 'evict-failed')
    metrics.disconnects.at()
    const queues = readStatus(invalidator)?.queues ?? []
    for (const name of [...rules.map(ruleName), ...queues.map(({ table }) => table)]) {
      metrics.ruleEvictions.at(name)
      metrics.ruleRemoved.at(name)
    }
  }

  #listenToCache(cache: ObservedCache): void {
    const { hits, misses, kept, doomed, shownEvicted, staleFound, renders, duration } = this.metrics
    const count = (cell: Cell) => () => {
      cell.value++
    }
    this.#offs.push(
      cache.on('hit', count(hits.at())),
      cache.on('miss', count(misses.at())),
      cache.on('kept', count(kept.at())),
      cache.on('shownEvicted', count(shownEvicted.at())),
      cache.on('staleFound', count(staleFound.at())),
      cache.on('doomed', ({ key }) => {
        doomed.at().value++
        const rendering = this.#rendering.get(key)
        if (rendering !== undefined) rendering.doomed++
      }),
      cache.on('renderBegan', ({ key }) => {
        this.#inFlight++
        const rendering = this.#rendering.get(key)
        if (rendering === undefined) this.#rendering.set(key, { count: 1, doomed: 0 })
        else rendering.count++
      }),
      cache.on('renderEnded', ({ key, tookMs, outcome }) => {
        this.#inFlight = Math.max(0, this.#inFlight - 1)
        duration.observe(tookMs / 1000)
        renders.at(this.#ended(key, outcome)).value++
      }),
      cache.on('evicted', (report) => this.#evictedByCache(report)),
      cache.on('blind', () => {
        this.#blindSinceMs ??= this.#clock.now()
      }),
      cache.on('sighted', () => {
        this.#countBlindTime()
        this.#blindSinceMs = undefined
      }),
      cache.on('error', (error) => this.#fault('cache', error)),
    )
  }

  #listenToInvalidator(invalidator: ObservedInvalidator): void {
    const { disconnects, emptied } = this.metrics
    this.#offs.push(
      invalidator.on('evicted', ({ why, selectors, removed, rules, report }) => {
        const { keys, doomed } = report
        // A target that is no cache of ours has not told of it.
        if (!this.#reports.delete(report)) this.metrics.doomedByEviction.at().value += doomed
        this.#evicted({ why, rules, selectors, removed, keys, doomed })
      }),
      invalidator.on('disconnected', () => {
        disconnects.at().value++
      }),
      invalidator.on('emptied', ({ reason }) => {
        emptied.at(reason).value++
      }),
      invalidator.on('error', (error) => this.#fault('invalidator', error)),
    )
  }

  #evictedByCache(report: EvictionReport): void {
    this.metrics.doomedByEviction.at().value += report.doomed
    this.#reports.add(report)
    // The invalidator tells of the same report before anything else has its turn.
    setImmediate(() => {
      if (this.#reports.delete(report)) this.#evicted({ why: 'call', rules: [], ...report })
    })
  }

  #evicted(eviction: Omit<ObservedEviction, 'atMs'>): void {
    const { evictions, removed, ruleEvictions, ruleRemoved } = this.metrics
    evictions.at(eviction.why).value++
    removed.at(eviction.why).value += eviction.removed
    for (const rule of eviction.rules) {
      ruleEvictions.at(rule).value++
      ruleRemoved.at(rule).value += eviction.removed
    }
    const observed = { atMs: this.#clock.now(), ...eviction }
    for (const listener of this.#listeners) {
      try {
        listener(observed)
      } catch (thrown) {
        process.emitWarning(`A listener of evictions threw: ${String(thrown)}`, 'PagekeepWarning')
      }
    }
  }

  /** What became of the render that has ended, `doomed` told apart from what else is not kept. */
  #ended(key: string, outcome: string): string {
    const rendering = this.#rendering.get(key)
    if (rendering === undefined) return outcome
    rendering.count--
    if (rendering.count === 0) this.#rendering.delete(key)
    if (outcome !== 'unkept' || rendering.doomed === 0) return outcome
    rendering.doomed--
    return 'doomed'
  }

  #fault(source: 'cache' | 'invalidator', error: PagekeepError): void {
    this.metrics.errors.at(source, error.code).value++
  }

  #countBlindTime(): void {
    if (this.#blindSinceMs === undefined) return
    const nowMs = this.#clock.now()
    this.metrics.blindSeconds.at().value += Math.max(0, nowMs - this.#blindSinceMs) / 1000
    this.#blindSinceMs = nowMs
  }

  async #lookForLag(): Promise<void> {
    const { lag, signOfLife: sign } = this.metrics
    try {
      const heardUntilMs = Number((await this.#options.cache.state.read(signOfLife)) ?? 0) || 0
      sign.at().value = heardUntilMs / 1000
      lag.at().value = heardUntilMs > 0 ? Math.max(0, this.#clock.now() - heardUntilMs) / 1000 : Number.NaN
    } catch {
      sign.at().value = Number.NaN
      lag.at().value = Number.NaN
    }
  }

  async #lookForUsage(): Promise<void> {
    const { storeBytes, storePages } = this.metrics
    const usage = await Promise.resolve()
      .then(() => this.#options.usage?.())
      .catch(() => undefined)
    storeBytes.at().value = usage?.bytes ?? Number.NaN
    storePages.at().value = usage?.pages ?? Number.NaN
  }

  #lookAtInvalidator(): void {
    const { invalidator } = this.#options
    const { metrics } = this
    const status = invalidator && readStatus(invalidator)
    if (status === undefined) return
    const known = (value: number | undefined) => value ?? Number.NaN
    metrics.up.at().value = ['listening', 'catching-up', 'standing-by'].includes(status.state) ? 1 : 0
    for (const state of statesOf(status)) metrics.state.at(state).value = state === status.state ? 1 : 0
    metrics.connections.at().value = status.connections ?? 0
    metrics.heard.at().value = known(status.lastHeardAtMs) / 1000
    metrics.owed.at().value = known(status.owed)
    metrics.secondLook.at().value = known(status.secondLook?.pending)
    for (const { table, backlog, setAside } of status.queues ?? []) {
      metrics.backlog.at(table).value = known(backlog)
      metrics.setAside.at(table).value = setAside.length
    }
  }
}
