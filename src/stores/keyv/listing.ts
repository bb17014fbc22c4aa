/**
 * Walks over everything that the adapter holds, by Keyv's iterator. It yields names and values; only the
 * values are used, which carry their keys: Keyv 5 cuts names at the first colon, whatever it was.
 *
 * Price: every page is transferred, as Keyv has no way to ask for names alone.
 */
import type { ErrorWatch } from './error-watch.js'
import type { KeyvLike } from './keyv-like.js'

const markName = 'm'
const mark = 'pagekeep lists'

export class Listing {
  readonly #keyv: KeyvLike
  readonly #watch: ErrorWatch

  constructor(keyv: KeyvLike, watch: ErrorWatch) {
    this.#keyv = keyv
    this.#watch = watch
  }

  /**
   * Calls `visit` with every record; what is there all the time is visited. Whether that was so: `false`
   * when the adapter failed on the way, or showed not even the mark that was written before.
   */
  async visitAll(visit: (record: unknown) => void): Promise<boolean> {
    let sawMark = false
    try {
      await this.#watch.during(async () => {
        await this.#keyv.set(markName, { mark })
        for await (const record of this.records()) {
          if ((record as { mark?: unknown } | null)?.mark === mark) sawMark = true
          else visit(record)
        }
      })
    } catch {
      return false
    }
    return sawMark
  }

  async *records(): AsyncGenerator<unknown> {
    for await (const pair of this.#keyv.iterator?.() ?? []) {
      if (Array.isArray(pair) && pair[1] !== undefined && pair[1] !== null) yield pair[1]
    }
  }
}
