/**
 * The poll lease: while a listener polls anyway, writers need not NOTIFY, which would make all their commits
 * queue up behind one lock of the whole server. A sequence says until when; it is read and set outside of
 * transactions.
 *
 * | state    | entered                                  | what holds in it                     | poll after          | left |
 * |----------|------------------------------------------|--------------------------------------|---------------------|------|
 * | asleep   | at first, when nobody ever took a lease  | every writer that commits notifies   | a NOTIFY            | a lease is seen |
 * | awake    | a lease is seen, or taken here           | writers may skip the NOTIFY          | `pollMs`            | it has run out |
 * | lapsing  | a lease has run out, here or unseen      | some that skipped may still be open  | 10 ms, up to 250 ms | they have ended |
 *
 * Why lapsing ends in time: a writer that skipped had read a lease that ran, after it had its transaction's
 * number. So all such numbers are below one that is drawn after the lease was seen to have run out. Once no
 * transaction below that is open, what they wrote was in the page that showed it. `xmax` of a snapshot is no
 * such bound: it is one past the last that has *ended*, and the writer may be the only one there is.
 */
import type { Connection } from '../connection.js'
import type { FeedPage } from './feed-source.js'
import type { SchemaName } from './schema/quoting.js'
import { parseSnapshot } from './snapshot.js'

export interface PollLeaseOptions {
  readonly schema: SchemaName
  /** Rows and NOTIFYs within a second from which on it is taken. */
  readonly busyRows: number
  readonly leaseMs: number
  readonly pollMs: number
}

export type LeaseState = 'asleep' | 'awake' | 'lapsing'

const lapseMinMs = 10
const lapseMaxMs = 250
const windowMs = 1000
// Taken with a clock that ran far ahead, it would keep everybody polling.
const absurdMs = 60_000

export class PollLease {
  readonly #options: PollLeaseOptions
  state: LeaseState = 'asleep'
  /** The lease that all is known of, once it has run out: 1 is what a new sequence says. */
  #settled = 1
  #seen = 1
  #serverNowMs = 0
  #bound: bigint | undefined
  #lapsePolls = 0
  #counts: { readonly atMs: number; readonly rows: number }[] = []

  constructor(options: PollLeaseOptions) {
    this.#options = options
  }

  /** When to poll without being woken, in milliseconds from now. `readers`: how many listeners poll. */
  pollInMs(readers: number): number {
    if (this.state === 'awake') return this.#options.pollMs * Math.max(1, readers)
    if (this.state === 'lapsing') return Math.min(lapseMaxMs, lapseMinMs * 2 ** Math.min(this.#lapsePolls, 20))
    return Number.POSITIVE_INFINITY
  }

  /** After each read, with its first page and how many rows and NOTIFYs there were. */
  async observe(connection: Connection, page: FeedPage, busy: number): Promise<void> {
    this.#count(page.serverNowMs, busy)
    this.#seen = page.leaseUntilMs
    this.#serverNowMs = page.serverNowMs
    if (this.#seen > this.#serverNowMs) this.#enter('awake')
    else if (this.state !== 'lapsing' && (this.state === 'awake' || this.#seen !== this.#settled))
      this.#enter('lapsing')
    else if (this.state === 'lapsing') await this.lapse(connection, page)
    if (this.state === 'lapsing' && this.#bound === undefined) this.#bound = await drawNumber(connection)
    if (this.#wantsLease()) await this.#take(connection)
  }

  /** Ends the lapse when those that may have skipped have ended. */
  protected async lapse(_connection: Connection, page: FeedPage): Promise<void> {
    this.#lapsePolls++
    if (this.#bound !== undefined && parseSnapshot(page.cursor.snapshot).xmin >= this.#bound) this.settle()
  }

  protected settle(): void {
    this.#enter('asleep')
    this.#settled = this.#seen
  }

  #enter(state: LeaseState): void {
    if (this.state === state) return
    this.state = state
    this.#bound = undefined
    this.#lapsePolls = 0
  }

  #count(nowMs: number, rows: number): void {
    if (rows > 0) this.#counts.push({ atMs: nowMs, rows })
    this.#counts = this.#counts.filter(({ atMs }) => nowMs - atMs < windowMs && atMs <= nowMs)
  }

  #wantsLease(): boolean {
    const { busyRows, leaseMs } = this.#options
    const leftMs = this.#seen - this.#serverNowMs
    if (leftMs > Math.max(absurdMs, 10 * leaseMs)) return true
    return leftMs < leaseMs / 2 && this.#counts.reduce((sum, { rows }) => sum + rows, 0) > busyRows
  }

  /** Sets it, and wakes the other listeners if none ran: they must poll as well. */
  async #take(connection: Connection): Promise<void> {
    const { schema, leaseMs } = this.#options
    await connection.query(
      `WITH now AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms),
            was AS (SELECT last_value AS until FROM ${schema.of('lease')})
       SELECT setval(${schema.literalOf('lease')}::regclass, now.ms + $1::int)::text,
              CASE WHEN was.until <= now.ms THEN pg_notify($2, '')::text END FROM now, was`,
      [leaseMs, schema.name],
    )
    this.#enter('awake')
  }
}

/** A number that every transaction which has one by now is below. */
async function drawNumber(connection: Connection): Promise<bigint> {
  const [row] = await connection.query('SELECT pg_current_xact_id()::text AS xid')
  return BigInt(row?.xid ?? 0)
}
