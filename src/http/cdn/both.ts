/** Several targets of evictions as one, each evicted from after the one before it: the cache first, then the CDN. */
import type { EvictionReport } from '../../core/eviction-report.js'
import type { EvictionTarget } from '../../core/invalidator.js'
import type { SelectorInput } from '../../core/selector.js'

/**
 * The report and the state are the first target's. When one fails the later ones are evicted from all the same, and
 * the eviction rejects with what the first failure was: repeat the whole.
 *
 * @example
 * const target = both(cache, new CdnTarget({ api: varnishXkey({ url: 'http://127.0.0.1:6081/' }) }))
 */
export function both(first: EvictionTarget, ...others: readonly EvictionTarget[]): EvictionTarget {
  return {
    ...(first.state !== undefined && { state: first.state }),
    async evict(selectors: readonly SelectorInput[]): Promise<EvictionReport> {
      const reports: EvictionReport[] = []
      const failures: unknown[] = []
      for (const target of [first, ...others]) {
        try {
          reports.push(await target.evict(selectors))
        } catch (thrown) {
          failures.push(thrown)
        }
      }
      const [report] = reports
      if (failures.length > 0 || report === undefined) throw failures[0]
      return report
    },
  }
}
