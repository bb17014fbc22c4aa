/** Evictions that mean a page with all its variants: by query, by cookie, by field (page-key.ts has their names). */
import type { EvictionTarget } from '../core/invalidator.js'
import { parseSelectors, type SelectorInput } from '../core/selector.js'

/**
 * A target that evicts, with each key or pattern, the variants of the same pages. Put it where the invalidator has the
 * cache, if pages have variants and are evicted by their keys; evictions of tags and subtrees reach variants anyway.
 * Price: one more pattern for each key.
 *
 * @example
 * const target = variantsToo(cache)
 * await target.evict(['ports/index.html']) // and ports/index.html@page=2
 */
export function variantsToo(target: EvictionTarget): EvictionTarget {
  return {
    ...(target.state !== undefined && { state: target.state }),
    evict(selectors: readonly SelectorInput[]) {
      const more = parseSelectors(selectors).flatMap((selector) => {
        if (selector.kind === 'tag' || selector.text.endsWith('*')) return []
        return [`${selector.text}@*`]
      })
      return target.evict([...selectors, ...more])
    },
  }
}
