/**
 * Drains one queue, a batch a turn. The size of batches follows how long they take, since writers wait for
 * them, and is halved when one fails, until the row to blame stands alone and is set aside.
 *
 * States: idle; due (a NOTIFY or a sweep came, or the batch before was a full one); resting (the trouble is
 * not with a row: the database refuses a statement, or row after row fails), which ends by itself.
 */
import type { Clock } from '../../core/clock.js'
import { isPagekeepError, PagekeepError } from '../../core/errors.js'
import { backoffMs } from './backoff.js'
import type { Connection } from './connection.js'
import { BatchNotEvicted, type ConsumeBatch, RowsRefused } from './consume-batch.js'
import { statementFailure } from './database-errors.js'
import { atOnce, type Duty, never } from './duty.js'
import type { InvalidatorEmitter } from './events.js'
import type { QueueTable, TakenRow } from './queue-table.js'
import type { QueueDefinition, Rule } from './rules.js'
import type { SelectorSet } from './selector-set.js'
import { SetAside } from './set-aside.js'

export interface QueueDrainOptions {
  readonly rule: Rule
  readonly queue: QueueDefinition
  readonly clock: Clock
  readonly emitter: InvalidatorEmitter
  readonly consume: ConsumeBatch
  readonly batchRows: number
  readonly batchMs: number
  readonly maxHoldMs: number
  readonly rowRetryMinMs: number
  readonly rowRetryMaxMs: number
  evict(selectors: SelectorSet): Promise<void>
}

// So many rows failing one after another are no accident of rows.
const failuresUntilRest = 10
const restOptions = { minMs: 1000, maxMs: 60_000 }
// Rows that others have locked are looked for again after this, at first.
const peekOptions = { minMs: 250, maxMs: 60_000 }

export class QueueDrain implements Duty {
  readonly queue: QueueDefinition
  readonly channel: string
  readonly setAside: SetAside
  /** Rows cleared since the process began. */
  cleared = 0
  /** Every row that was committed before this is done or set aside; in milliseconds since 1970. */
  coveredUntilMs = Number.NEGATIVE_INFINITY
  /** Rows waiting at the last sweep. */
  backlog: number | undefined
  readonly #options: QueueDrainOptions
  #table: QueueTable | undefined
  #limit: number
  #isDue = false
  #failures = 0
  #rests = 0
  #restUntilMs = 0
  #peeks = 0
  #peekAtMs = never

  constructor(options: QueueDrainOptions) {
    this.#options = options
    this.queue = options.queue
    this.channel = options.rule.channel
    this.setAside = new SetAside({ minMs: options.rowRetryMinMs, maxMs: options.rowRetryMaxMs })
    this.#limit = Math.max(1, Math.ceil(options.batchRows / 5))
  }

  /** The table as this connection knows it. */
  attach(table: QueueTable): void {
    this.#table = table
    this.#restUntilMs = 0
  }

  markDue(): void {
    this.#isDue = true
  }

  /** Sees whether there are rows. With none, all is covered up to now. */
  async glance(connection: Connection): Promise<void> {
    const askedAtMs = this.#options.clock.now()
    if (this.#table === undefined || this.#isStuck(askedAtMs)) return
    const hasMore = await this.#table.hasMore(connection, this.setAside.ids()).catch((thrown: unknown) => {
      if (connection.isLost) throw thrown
      return true
    })
    if (hasMore) this.#isDue = true
    else this.coveredUntilMs = askedAtMs
  }

  async countBacklog(connection: Connection): Promise<void> {
    this.backlog = await this.#table?.count(connection)
  }

  dueAtMs(): number {
    const takesMore = this.#isDue && !this.setAside.isFull
    const dueAtMs = takesMore ? atOnce : Math.min(this.#peekAtMs, this.setAside.next()?.retryAtMs ?? never)
    return Math.max(dueAtMs, this.#restUntilMs)
  }

  isBehind(sinceMs: number): boolean {
    return this.coveredUntilMs < sinceMs && !this.#isStuck(this.#options.clock.now())
  }

  async turn(connection: Connection): Promise<void> {
    const { rule, clock, consume, maxHoldMs, evict } = this.#options
    const table = this.#table
    if (table === undefined) return
    const beganAtMs = clock.now()
    const next = this.setAside.next()
    const retried = next !== undefined && next.retryAtMs <= beganAtMs ? next.id : undefined
    const selection = retried === undefined ? { except: this.setAside.ids(), limit: this.#limit } : { only: [retried] }
    // Before the rows are read: a NOTIFY that comes meanwhile makes it due again.
    if (retried === undefined) this.#isDue = false
    this.#peekAtMs = never
    try {
      const rows = await consume({ connection, table, rule, selection, clock, maxHoldMs, evict })
      this.#succeeded(rows)
      if (retried !== undefined) this.setAside.forget(retried)
      else await this.#adapt(connection, table, rows, beganAtMs)
    } catch (thrown) {
      if (retried === undefined) this.#isDue = true
      if (connection.isLost) throw thrown
      this.#failed(thrown, retried !== undefined)
    }
  }

  #succeeded(rows: readonly TakenRow[]): void {
    this.cleared += rows.length
    if (rows.length === 0) return
    this.#failures = 0
    this.#rests = 0
  }

  async #adapt(connection: Connection, table: QueueTable, rows: readonly TakenRow[], beganAtMs: number): Promise<void> {
    const { batchRows, batchMs, clock } = this.#options
    const tookMs = clock.now() - beganAtMs
    const isFull = rows.length >= this.#limit
    if (tookMs > batchMs && rows.length > 0) this.#limit = Math.max(1, Math.floor((rows.length * batchMs) / tookMs))
    else if (isFull && tookMs < batchMs / 2) this.#limit = Math.min(batchRows, this.#limit * 2)
    if (isFull) {
      this.#isDue = true
    } else if (await table.hasMore(connection, this.setAside.ids())) {
      this.#peeks++
      this.#peekAtMs = clock.now() + backoffMs(this.#peeks, peekOptions)
      return
    } else {
      this.coveredUntilMs = beganAtMs
    }
    this.#peeks = 0
  }

  #failed(thrown: unknown, isRetry: boolean): void {
    const { emitter, clock } = this.#options
    if (thrown instanceof RowsRefused) {
      for (const [id, error] of thrown.errors) this.#put(id, error)
    } else if (thrown instanceof BatchNotEvicted) {
      const [only, ...others] = thrown.rows
      if (only === undefined) return
      if (!isRetry) this.#limit = Math.max(1, Math.floor(thrown.rows.length / 2))
      if (others.length > 0) return
      this.#put(only.id, asPagekeepError(thrown.cause))
      if (isRetry) return
      this.#failures++
      if (this.#failures % failuresUntilRest === 0) this.#rest(clock.now())
    } else {
      emitter.fault(statementFailure(thrown, `draining ${this.queue.table.written}`))
      this.#rest(clock.now())
    }
  }

  #put(id: string, error: PagekeepError): void {
    const { emitter, clock } = this.#options
    const { attempts, retryAtMs } = this.setAside.add(id, error, clock.now())
    emitter.fault(error)
    emitter.emit('setAside', { table: this.queue.table.written, id, attempts, retryAtMs, error })
  }

  /** Rows wait for something that time brings, not for a turn. */
  #isStuck(nowMs: number): boolean {
    return this.#restUntilMs > nowMs || this.#peekAtMs !== never || this.setAside.isFull
  }

  #rest(nowMs: number): void {
    this.#rests++
    this.#restUntilMs = nowMs + backoffMs(this.#rests, restOptions)
  }
}

function asPagekeepError(thrown: unknown): PagekeepError {
  return isPagekeepError(thrown) ? thrown : new PagekeepError('evict-failed', String(thrown), { cause: thrown })
}
