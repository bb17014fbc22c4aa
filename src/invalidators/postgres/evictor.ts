/** Hands selectors to what holds the pages, counts, and tells. Its failures are all of one kind: `evict-failed`. */
import { isPagekeepError, PagekeepError, reasonOf } from '../../core/errors.js'
import type { EvictionTarget } from '../../core/invalidator.js'
import type { InvalidatorEmitter, InvalidatorEvents } from './events.js'
import type { SelectorSet } from './selector-set.js'

export class Evictor {
  readonly #target: EvictionTarget
  readonly #emitter: InvalidatorEmitter
  /** How many pages were removed since the process began. */
  removed = 0

  constructor(target: EvictionTarget, emitter: InvalidatorEmitter) {
    this.#target = target
    this.#emitter = emitter
  }

  /** Resolves when all of it is evicted; else rejects with `evict-failed`. */
  async evict(
    selectors: SelectorSet,
    why: InvalidatorEvents['evicted']['why'],
    rules: readonly string[] = [],
  ): Promise<void> {
    if (selectors.size === 0) return
    try {
      const report = await this.#target.evict(selectors.toInputs())
      const { removed } = report
      this.removed += removed
      const { rows } = selectors
      this.#emitter.emit('evicted', { why, selectors: selectors.toTexts(), removed, rules, rows, report })
    } catch (thrown) {
      if (isPagekeepError(thrown)) throw thrown
      throw new PagekeepError('evict-failed', `The eviction failed: ${reasonOf(thrown)}. It is tried again.`, {
        cause: thrown,
      })
    }
  }
}
