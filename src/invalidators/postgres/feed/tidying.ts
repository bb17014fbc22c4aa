/**
 * When the janitor is called (janitor.ts): by every node that reads from the primary, a hundred times within the
 * retention, and sooner where it had to wait. The database lets one at a time do it.
 */

import type { Clock } from '../../../core/clock.js'
import { type PagekeepError, reasonOf } from '../../../core/errors.js'
import type { Connection } from '../connection.js'
import { statementFailure } from '../database-errors.js'
import type { InvalidatorEmitter } from '../events.js'
import { type JanitorReport, tidyFeed } from './janitor.js'
import type { SchemaName } from './schema/quoting.js'

export interface TidyingOptions {
  readonly schema: SchemaName
  readonly clock: Clock
  readonly emitter: InvalidatorEmitter
  readonly retentionMs: number
}

const leastMs = 1000
const waitingMs = 60_000

export class Tidying {
  readonly #options: TidyingOptions
  #lastFault: string | undefined
  /** When it wants to be called. */
  dueAtMs = 0
  /** What was found the last time. */
  last: JanitorReport | undefined

  constructor(options: TidyingOptions) {
    this.#options = options
  }

  /** Calls the janitor if it is time. Rejects only when the connection is lost; other faults are told once. */
  async turn(connection: Connection): Promise<void> {
    const { schema, clock, emitter, retentionMs } = this.#options
    if (clock.now() < this.dueAtMs) return
    const everyMs = Math.max(leastMs, retentionMs / 100)
    try {
      this.last = await tidyFeed(connection, schema, retentionMs)
      this.#lastFault = undefined
    } catch (thrown) {
      if (connection.isLost) throw thrown
      const error: PagekeepError = statementFailure(thrown, 'throwing away old rows of the feed')
      if (this.#lastFault !== reasonOf(error)) emitter.fault(error)
      this.#lastFault = reasonOf(error)
    }
    this.dueAtMs = clock.now() + (this.last?.outcome === 'waiting' ? Math.min(waitingMs, everyMs) : everyMs)
  }
}
