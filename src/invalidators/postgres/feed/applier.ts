/**
 * Has evicted what rows of the feed name. Repetitions within a page of rows are evicted once; the rest goes in
 * slices, between which the event loop is free.
 *
 * What cannot be evicted does not stand in the way of the rest: it is kept here, tried again with growing
 * delays, and as long as anything is left the cursor beside the pages stays before it. Where everything
 * fails, nothing more is read: the trouble is then not with a page.
 *
 * A row that cannot be read says that something has changed, and not what: everything is evicted.
 */
import type { Clock } from '../../../core/clock.js'
import { PagekeepError, reasonOf } from '../../../core/errors.js'
import { parseSelector } from '../../../core/selector.js'
import { backoffMs } from '../backoff.js'
import type { InvalidatorEmitter } from '../events.js'
import type { Evictor } from '../evictor.js'
import { type PlainSelector, SelectorSet } from '../selector-set.js'
import type { FeedRow } from './feed-source.js'

export interface ApplierOptions {
  readonly evictor: Evictor
  readonly emitter: InvalidatorEmitter
  readonly clock: Clock
  /** Selectors in one call of the target. */
  readonly sliceSelectors: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

/** So many failing one after another, with none done in between, are no accident of pages. */
const failuresUntilRest = 10
/** More than these are not kept apart. */
const maxOwed = 10_000

export class Applier {
  readonly #options: ApplierOptions
  #owed = new SelectorSet()
  #attempts = 0
  #retryAtMs = Number.POSITIVE_INFINITY
  #isResting = false

  constructor(options: ApplierOptions) {
    this.#options = options
  }

  /** How many selectors could not be evicted so far. */
  get owed(): number {
    return this.#owed.size
  }

  /** Nothing can be evicted: reading on would only pile up. */
  get isResting(): boolean {
    return this.#isResting
  }

  /** When what is owed is tried again; `Infinity`: nothing is. */
  get retryAtMs(): number {
    return this.#retryAtMs
  }

  /** Resolves when the rows are evicted, or owed. Answers how many selectors they were. Never rejects. */
  async apply(rows: readonly FeedRow[]): Promise<number> {
    const selectors = this.#selectorsOf(rows)
    const all = [...selectors]
    const rules = [...new Set(rows.map(({ rule }) => rule))]
    const { sliceSelectors } = this.#options
    for (let at = 0; at < all.length; at += sliceSelectors) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve))
      await this.#evict(new SelectorSet(all.slice(at, at + sliceSelectors)), 'feed', rules)
    }
    return all.length
  }

  /** Evicts everything; rejects with `evict-failed`. */
  async empty(): Promise<void> {
    await this.#options.evictor.evict(new SelectorSet(['**']), 'emptied')
    this.#owed = new SelectorSet()
    this.#settle()
  }

  /** Tries again what is owed, once its time has come. Never rejects. */
  async retry(): Promise<void> {
    if (this.#options.clock.now() < this.#retryAtMs) return
    const owed = this.#owed
    this.#owed = new SelectorSet()
    this.#isResting = false
    await this.#oneByOne(owed, 'retry')
  }

  #selectorsOf(rows: readonly FeedRow[]): SelectorSet {
    const selectors = new SelectorSet()
    const bad: [FeedRow, unknown][] = []
    for (const row of rows) {
      try {
        selectors.add(readRow(row))
      } catch (thrown) {
        bad.push([row, thrown])
      }
    }
    const [first] = bad
    if (first === undefined) return selectors
    const [{ rule, id, xid }, cause] = first
    const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : ''
    const message =
      `The feed's row ${id} of transaction ${xid}${more}, written for "${rule}", cannot be read: ${reasonOf(cause)} ` +
      'What it meant is not known, so everything is evicted.'
    this.#options.emitter.fault(new PagekeepError('feed-row-invalid', message, { cause }))
    return new SelectorSet(['**'])
  }

  async #evict(slice: SelectorSet, why: 'feed' | 'retry', rules: readonly string[]): Promise<void> {
    if (this.#isResting) return this.#owe(slice)
    try {
      await this.#options.evictor.evict(slice, why, rules)
    } catch (thrown) {
      if (slice.size === 1) this.#failed(slice, thrown)
      else await this.#oneByOne(slice, why, rules)
    }
  }

  async #oneByOne(selectors: SelectorSet, why: 'feed' | 'retry', rules: readonly string[] = []): Promise<void> {
    const left = new SelectorSet(selectors)
    let failures = 0
    for (const selector of selectors) {
      const one = new SelectorSet([selector])
      try {
        await this.#options.evictor.evict(one, why, rules)
        failures = Number.NEGATIVE_INFINITY
      } catch (thrown) {
        failures++
        this.#failed(one, thrown)
      }
      left.delete(selector)
      if (failures < failuresUntilRest) continue
      this.#isResting = true
      this.#owe(left)
      break
    }
    if (this.#owed.size === 0) this.#settle()
  }

  #failed(selectors: SelectorSet, thrown: unknown): void {
    this.#options.emitter.fault(thrown as PagekeepError)
    this.#owe(selectors)
  }

  #owe(selectors: SelectorSet): void {
    const { clock, retryMinMs, retryMaxMs } = this.#options
    const nowMs = clock.now()
    // One wait for all that fails within it: a retry begins the next, longer one.
    if (this.#retryAtMs <= nowMs || this.#retryAtMs === Number.POSITIVE_INFINITY) {
      this.#attempts++
      this.#retryAtMs = nowMs + backoffMs(this.#attempts, { minMs: retryMinMs, maxMs: retryMaxMs })
    }
    this.#owed.addAll(selectors)
    this.#owed = this.#owed.collapsed(maxOwed)
  }

  #settle(): void {
    this.#attempts = 0
    this.#retryAtMs = Number.POSITIVE_INFINITY
    this.#isResting = false
  }
}

function readRow({ selector, tag }: FeedRow): PlainSelector {
  const read: PlainSelector | null = selector ?? (tag === null ? null : { tag })
  if (read === null) throw new TypeError('It has neither a selector nor a tag.')
  if (selector !== null && tag !== null) throw new TypeError('It has both a selector and a tag.')
  parseSelector(read)
  return read
}
