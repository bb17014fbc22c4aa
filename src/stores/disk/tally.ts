/** What an eviction did, while it is doing it. */

import { PagekeepError } from '../../core/errors.js'
import type { Selector } from '../../core/selector.js'
import type { Eviction, EvictionFailure } from '../../core/store.js'
import { maxListedKeys } from '../../core/store.js'
import { diskError } from './disk-error.js'

export class Tally implements Eviction {
  removed = 0
  doomed = 0
  readonly keys: string[] = []
  readonly failures: EvictionFailure[] = []

  remove(key: string): void {
    this.removed++
    if (this.keys.length < maxListedKeys) this.keys.push(key)
  }

  /** `what`: the key or directory that stayed. */
  fail(selector: Selector, what: string, thrown: unknown): void {
    const message = `${diskError(`evict "${what}"`, thrown).message} Then repeat the eviction.`
    const cause = new PagekeepError('evict-failed', message, { key: what, store: 'disk', cause: thrown })
    this.failures.push({ selector, key: what, cause })
  }
}
