/**
 * Evicts a second time what a batch evicted, once every transaction is over that was open when the batch
 * was committed.
 *
 * A queue that de-duplicates (ON CONFLICT DO NOTHING, WHERE NOT EXISTS) loses the change of a writer that
 * found the row there before it was taken, added nothing, and commits after the eviction: a visitor may
 * have had the old page rendered again in between. Such a writer saw the row, so it looked before our
 * commit; it is among those open just after it, or is over by then. An eviction after the end of them all
 * therefore comes after its commit; and one that begins after ours sees no row, and adds its own.
 *
 * What is owed is written beside the pages before the commit, and done again after a restart. A long
 * transaction (pg_dump) only delays: the list grows up to a limit, then becomes coarser.
 */
import type { Clock } from '../../core/clock.js'
import { isPagekeepError, PagekeepError, reasonOf } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import { backoffMs } from './backoff.js'
import type { Connection } from './connection.js'
import { atOnce, type Duty, never } from './duty.js'
import type { InvalidatorEmitter } from './events.js'
import type { Evictor } from './evictor.js'
import { openTransactions, preparedPrefix } from './open-transactions.js'
import { type PlainSelector, SelectorSet } from './selector-set.js'

export interface SecondLookOptions {
  readonly state: StoreState
  readonly evictor: Evictor
  readonly emitter: InvalidatorEmitter
  readonly clock: Clock
  /** How many selectors are remembered before they are made coarser. */
  readonly maxSelectors?: number
}

interface Watched {
  readonly selectors: SelectorSet
  /** Of the transactions that were open, those that still are. */
  readonly open: ReadonlySet<string>
  /** Whether it is still to be evicted, whatever happens. */
  readonly isOwed: boolean
}

export const stateName = 'postgres-second-look'
const lookOptions = { minMs: 20, maxMs: 1000 }
const failureOptions = { minMs: 1000, maxMs: 300_000 }

export class SecondLook implements Duty {
  readonly #options: SecondLookOptions
  readonly #maxSelectors: number
  /** Of batches whose commit came after the last look. */
  #fresh = new SelectorSet()
  #watched: Watched[] = []
  #isFirstLook = true
  #written: string | undefined
  /** What could not be evicted: tried again by itself, so that it holds up nothing else. */
  #failed = new SelectorSet()
  #failures = 0
  #retryAtMs = never
  #looks = 0
  #lastLookAtMs = 0

  constructor(options: SecondLookOptions) {
    this.#options = options
    this.#maxSelectors = options.maxSelectors ?? 10_000
  }

  /** How many selectors wait. */
  get pending(): number {
    return this.#watched.reduce((sum, { selectors }) => sum + selectors.size, this.#fresh.size + this.#failed.size)
  }

  /** How many transactions are waited for. */
  get waitingFor(): number {
    return new Set(this.#watched.flatMap(({ open }) => [...open])).size
  }

  /** Notes what a batch has evicted; resolves when it is written down. The batch may be committed then. */
  async remember(selectors: SelectorSet): Promise<void> {
    this.#fresh.addAll(selectors)
    this.#looks = 0
    if (this.pending > this.#maxSelectors) {
      this.#fresh = this.#everything().collapsed(this.#maxSelectors / 2)
      this.#forgetAllButFresh()
    }
    await this.#write()
  }

  /** On every connection: what is owed is read again, and transactions are taken anew (names do not outlive a server). */
  async restore(): Promise<void> {
    const { state, emitter } = this.#options
    this.#fresh = this.#everything()
    this.#forgetAllButFresh()
    this.#isFirstLook = true
    this.#looks = 0
    const text = (await readState(state)) ?? ''
    this.#written = text
    try {
      this.#fresh.addAll(SelectorSet.fromJson(text))
    } catch (thrown) {
      // What it said is lost; only everything is sure to contain it.
      this.#fresh.add('**')
      emitter.warn(`The state "${stateName}" cannot be read (${reasonOf(thrown)}): every page is evicted.`)
    }
  }

  dueAtMs(): number {
    if (this.#fresh.size > 0 && this.#isFirstLook) return atOnce
    if (this.#fresh.size === 0 && this.#watched.length === 0) return this.#retryAtMs
    return Math.min(this.#retryAtMs, this.#lastLookAtMs + backoffMs(Math.max(1, this.#looks), lookOptions))
  }

  isBehind(): boolean {
    return this.#isFirstLook && this.#fresh.size > 0
  }

  async turn(connection: Connection): Promise<void> {
    const { clock, emitter } = this.#options
    const open = await openTransactions(connection)
    const watched = this.#watched.map((before) => afterLook(before, open))
    const due = watched.filter(({ isOwed }) => isOwed)
    const others = watched.filter(({ isOwed }) => !isOwed)
    if (this.#fresh.size > 0) {
      // With no transaction left this is the second look already; else it comes with the next one, at the latest.
      const isDue = open.size === 0 || this.#isFirstLook
      const list = isDue ? due : others
      list.push({ selectors: this.#fresh, open, isOwed: true })
    }
    const selectors = new SelectorSet(due.flatMap((entry) => [...entry.selectors]))
    if (this.#retryAtMs <= clock.now()) selectors.addAll(this.#failed)
    const error = await this.#evict(selectors)
    this.#fresh = new SelectorSet()
    this.#watched = merge([...others, ...due.filter((entry) => entry.open.size > 0).map(notOwed)])
    this.#isFirstLook = false
    this.#looks++
    this.#lastLookAtMs = clock.now()
    if (error !== undefined) emitter.fault(error)
    await this.#write().catch((thrown: unknown) => emitter.fault(stateFailure(thrown)))
  }

  /** Evicts in halves what cannot be evicted together; what is left over is tried again later. */
  async #evict(selectors: SelectorSet): Promise<PagekeepError | undefined> {
    const failed = new SelectorSet()
    let error: PagekeepError | undefined
    const attempt = async (some: readonly PlainSelector[]): Promise<void> => {
      // Past so many failures the trouble is not with single selectors.
      if (failed.size >= 20) return failed.addAll(some)
      try {
        await this.#options.evictor.evict(new SelectorSet(some), 'second-look')
        for (const selector of some) this.#failed.delete(selector)
      } catch (thrown) {
        error = thrown as PagekeepError
        if (some.length === 1) return failed.addAll(some)
        const middle = Math.floor(some.length / 2)
        await attempt(some.slice(0, middle))
        await attempt(some.slice(middle))
      }
    }
    await attempt([...selectors])
    this.#failed.addAll(failed)
    if (this.#failed.size === 0) {
      this.#failures = 0
      this.#retryAtMs = never
    } else if (failed.size > 0) {
      this.#failures++
      this.#retryAtMs = this.#options.clock.now() + backoffMs(this.#failures, failureOptions)
    }
    return error
  }

  #forgetAllButFresh(): void {
    this.#watched = []
    this.#failed = new SelectorSet()
    this.#failures = 0
    this.#retryAtMs = never
  }

  #everything(): SelectorSet {
    const all = new SelectorSet(this.#fresh)
    all.addAll(this.#failed)
    for (const { selectors } of this.#watched) all.addAll(selectors)
    return all
  }

  async #write(): Promise<void> {
    const text = this.#everything().toJson()
    if (text === this.#written) return
    await this.#options.state.write(stateName, text)
    this.#written = text
  }
}

/** When one of its transactions has ended, it is owed again; it may have gone on under a prepared name. */
function afterLook({ selectors, open, isOwed }: Watched, now: ReadonlySet<string>): Watched {
  const left = new Set([...open].filter((name) => now.has(name)))
  const hasShrunk = left.size < open.size
  if (hasShrunk) for (const name of now) if (name.startsWith(preparedPrefix)) left.add(name)
  return { selectors, open: left, isOwed: isOwed || hasShrunk }
}

function notOwed({ selectors, open }: Watched): Watched {
  return { selectors, open, isOwed: false }
}

/** Those that wait for the same transactions become one, so that looks stay cheap while a long one is open. */
function merge(all: readonly Watched[]): Watched[] {
  const byKey = new Map<string, Watched>()
  for (const watched of all) {
    const key = `${watched.isOwed} ${[...watched.open].sort().join()}`
    const same = byKey.get(key)
    if (same === undefined) byKey.set(key, watched)
    else same.selectors.addAll(watched.selectors)
  }
  return [...byKey.values()]
}

async function readState(state: StoreState): Promise<string | undefined> {
  try {
    return await state.read(stateName)
  } catch (thrown) {
    throw stateFailure(thrown)
  }
}

function stateFailure(thrown: unknown): PagekeepError {
  if (isPagekeepError(thrown)) return thrown
  const message = `The state "${stateName}" cannot be read or written: ${reasonOf(thrown)}. It is tried again.`
  return new PagekeepError('store-failed', message, { cause: thrown })
}
