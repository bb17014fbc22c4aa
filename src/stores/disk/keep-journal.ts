/**
 * Has a cache and its invalidator tell the journal what became of pages. In each process that evicts or renders; the
 * files are shared. An eviction that an invalidator has done is told twice, by the cache and by it, of one report.
 */
import type { CacheEventName, CacheListener } from '../../core/events.js'
import type { EvictionReport } from '../../core/eviction-report.js'
import type { DiskStore } from './disk-store.js'
import { Journal } from './journal.js'

/** What is needed of an invalidator: its word on why. */
export interface JournalSource {
  on(
    name: 'evicted',
    listener: (event: {
      readonly why: string
      readonly rules: readonly string[]
      readonly rows?: readonly string[]
      readonly report: EvictionReport
    }) => void,
  ): () => void
}

export interface KeepJournalOptions {
  readonly store: Pick<DiskStore, 'directory'>
  /** What `createCache()` made on that store. */
  readonly cache: { on<Name extends CacheEventName>(name: Name, listener: CacheListener<Name>): () => void }
  /** One that runs in this process. Without it, evictions are noted down without a reason. */
  readonly invalidator?: JournalSource
  /** How large the journal may be, in bytes, 32,768 or more. Default 4 MiB: some ten thousand evictions. */
  readonly maxBytes?: number
}

export interface KeptJournal {
  /** Entries that could not be written. */
  readonly failures: number
  close(): void
}

/**
 * Notes evictions and doomed renders down beside the pages, for `pagekeep why` and the dashboard; `pagekeep listen` does
 * so by itself. Price: one small append for each of them. What cannot be written is counted, and disturbs nothing.
 *
 * @example
 * const store = new DiskStore({ directory: 'cache' })
 * const cache = createCache({ store })
 * const journal = keepJournal({ store, cache })
 * journal.failures // => 0
 * journal.close()
 */
export function keepJournal({ store, cache, invalidator, maxBytes }: KeepJournalOptions): KeptJournal {
  const journal = new Journal(store.directory, maxBytes)
  const untold = new Set<EvictionReport>()
  const evicted = (why: string, rules: readonly string[], rows: readonly string[], report: EvictionReport) => {
    const { selectors, keys, removed, doomed } = report
    // Most second looks find nothing.
    if (why === 'second-look' && removed + doomed === 0) return
    journal.tell({ kind: 'evicted', why, rules, rows, selectors, keys, removed, doomed })
  }
  const offs = [
    cache.on('doomed', ({ key, renderMs, part }) => {
      journal.tell({ kind: 'doomed', key, renderMs, ...(part !== undefined && { part }) })
    }),
    cache.on('evicted', (report) => {
      untold.add(report)
      // The invalidator tells of the same report before anything else has its turn.
      setImmediate(() => {
        if (untold.delete(report)) evicted('call', [], [], report)
      })
    }),
    invalidator?.on('evicted', ({ why, rules, rows = [], report }) => {
      untold.delete(report)
      evicted(why, rules, rows, report)
    }),
  ]
  return {
    get failures() {
      return journal.failures
    },
    close() {
      for (const off of offs) off?.()
    },
  }
}
