/**
 * Walks over everything that the adapter holds, by Keyv's iterator. It yields names and values; values carry their
 * keys, and are gone by: Keyv 5 cuts names at the first colon, whatever it was. Of a damaged record there is the
 * name alone, which is believed where the mark that was written before came under its own name.
 *
 * Price: every page is transferred, as Keyv has no way to ask for names alone.
 */
import type { ErrorWatch } from './error-watch.js'
import type { KeyvLike } from './keyv-like.js'
import type { Records } from './records.js'

const markName = 'm'
const mark = 'pagekeep lists'

export interface Visitor {
  record(record: unknown): void
  /** A record that cannot be read. */
  damaged(name: string): void
}

export class Listing {
  readonly #keyv: KeyvLike
  readonly #watch: ErrorWatch
  readonly #records: Records

  constructor(keyv: KeyvLike, watch: ErrorWatch, records: Records) {
    this.#keyv = keyv
    this.#watch = watch
    this.#records = records
  }

  /**
   * Visits every record; what is there all the time is visited. Whether that was so: `false` when the adapter failed
   * on the way, or showed not even the mark that was written before, or a damaged record of which nobody knows what
   * it is.
   */
  async visitAll(visitor: Visitor): Promise<boolean> {
    let sawMark = false
    let areNamesTrue = false
    const damaged: string[] = []
    try {
      await this.#watch.during(async () => {
        await this.#keyv.set(markName, { mark })
        for await (const { name, record } of this.#records.walk()) {
          if (record === undefined) damaged.push(name)
          else if ((record as { mark?: unknown }).mark === mark) {
            sawMark = true
            areNamesTrue = name === markName
          } else visitor.record(record)
        }
      })
    } catch {
      return false
    }
    for (const name of damaged) visitor.damaged(name)
    return sawMark && (areNamesTrue || damaged.length === 0)
  }
}
