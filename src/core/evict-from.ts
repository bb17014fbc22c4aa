import { PagekeepError, reasonOf } from './errors.js'
import type { EvictionReport } from './eviction-report.js'
import type { Selector } from './selector.js'
import type { Store } from './store.js'

/** Evicts from `from`; rejects with `evict-failed`, which names what is left, when not all of it could be evicted. */
export async function evictFrom(from: Store, selectors: readonly Selector[]): Promise<EvictionReport> {
  const texts = selectors.map((selector) => selector.text)
  const store = from.name
  const fail = (what: string, cause: unknown): never => {
    const message = `Could not evict ${what} from the store "${store}": ${reasonOf(cause)}. Pages may be stale; repeat the eviction.`
    throw new PagekeepError('evict-failed', message, { key: what, store, cause })
  }
  const eviction = await Promise.resolve()
    .then(() => from.evict(selectors))
    .catch((thrown) => fail(texts.join(', '), thrown))
  const { removed, keys, doomed, failures } = eviction
  const [first] = failures
  if (first !== undefined) {
    const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : ''
    fail(`${first.key ?? first.selector.text}${more}`, first.cause)
  }
  return { selectors: texts, removed, keys, doomed }
}
