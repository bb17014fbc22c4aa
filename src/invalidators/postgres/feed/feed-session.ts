/**
 * What is done with one connection: see which server it is, take the node's lock or stand by, listen, take up
 * the cursor or empty the store, and from then on read, evict, and save, until told to stop or it is lost.
 *
 * LISTEN comes before the first read: what was committed before is read, what is committed after notifies.
 */
import pg from 'pg'
import { isPagekeepError } from '../../../core/errors.js'
import type { Alarm } from '../alarm.js'
import type { Connection } from '../connection.js'
import { describePlace, statementFailure, unreachable } from '../database-errors.js'
import type { InvalidatorEmitter } from '../events.js'
import { endOwnLeftover } from '../lock-holder.js'
import { distrust, type EmptiedReason, hasLost, reasonTexts, type SavedCursor } from './cursor-keeper.js'
import type { CheckedFeedOptions } from './feed-options.js'
import type { Cursor, FeedIdentity, FeedPage, FeedSource, PageStart } from './feed-source.js'
import type { FeedWork } from './feed-work.js'
import { nodeTaken } from './node-lock.js'
import type { PollLease } from './poll-lease.js'

export interface FeedSessionOptions {
  readonly connection: Connection
  /** The connection's `application_name`. */
  readonly name: string
  readonly options: CheckedFeedOptions
  readonly work: FeedWork
  readonly emitter: InvalidatorEmitter
  /** Rings for a NOTIFY, for who waits in `settled`, for a lost connection, and for a stop. */
  readonly alarm: Alarm
  readonly signal: AbortSignal
  onStandingBy(): void
  onReading(): void
  onCaughtUp(): void
}

// Between another's taking of the lock and its name being beside the pages, its own processes look foreign.
const foreignTries = 4
const foreignRetryMs = 250
const leftoverRetryMs = 50

/** Resolves when it was told to stop. Rejects with a `PagekeepError` when the connection cannot go on. */
export async function runFeedSession(options: FeedSessionOptions): Promise<void> {
  const { connection, alarm, work } = options
  connection.onLost(() => alarm.ring())
  try {
    await new FeedSession(options).run()
  } catch (thrown) {
    throw statementFailure(thrown, 'reading the feed')
  } finally {
    work.applied = undefined
  }
}

class FeedSession {
  readonly #session: FeedSessionOptions
  readonly #lease: PollLease
  #source!: FeedSource
  #identity!: FeedIdentity
  /** Up to where it was read; what is owed lies before it. */
  #cursor!: Cursor
  /** Up to where all is evicted. */
  #applied!: Cursor
  #isPooled = false
  #notifies = true
  #notified = 0
  /** When to read without being woken. */
  #readAtMs = 0

  constructor(session: FeedSessionOptions) {
    this.#session = session
    const { options, work } = session
    this.#lease = work.parts.lease({ ...options, pollMs: options.leasePollMs })
  }

  async run(): Promise<void> {
    const { connection, options, work, emitter, signal, onReading, onCaughtUp } = this.#session
    await this.#meet()
    work.node = await work.lock.nameNode(connection, options.node)
    // A pooler lends the lock to anybody: processes then read side by side, which is more work and as safe.
    if (!this.#isPooled && !(await this.#takeLock(work.node))) return
    if (this.#listens) {
      connection.onNotify(() => {
        this.#notified++
        this.#session.alarm.ring()
      })
      await connection.query(`LISTEN ${pg.escapeIdentifier(options.schema.name)}`)
    }
    onReading()
    emitter.emit('connected', { channels: this.#listens ? [options.schema.name] : [] })
    await this.#takeUp()
    let isCaughtUp = false
    while (!signal.aborted) {
      if (this.#isDue()) await this.#round(isCaughtUp)
      if (!this.#isStandby) await this.#tell('listening')
      if (isCaughtUp && !this.#isStandby) await work.tidying.turn(connection)
      if (!isCaughtUp && !signal.aborted) onCaughtUp()
      isCaughtUp = true
      if (!signal.aborted) await this.#session.alarm.sleep(this.#idleMs())
      // A connection that was lost meanwhile shows here.
      if (connection.isLost) await connection.query('SELECT 1')
    }
    if (!this.#isStandby) await this.#tell('stopped', true)
  }

  get #isStandby(): boolean {
    return this.#source.kind === 'standby'
  }

  get #listens(): boolean {
    return this.#session.options.listen && !this.#isPooled && !this.#isStandby
  }

  async #meet(): Promise<void> {
    const { connection, options, work, emitter } = this.#session
    this.#isPooled = await connection.isPooled()
    if (this.#isPooled) {
      emitter.warn(
        `A pooler stands before PostgreSQL: NOTIFY does not arrive through it. The feed is read every ${options.pollMs} ms instead.`,
      )
    } else {
      // In a stricter isolation the snapshot would be older than the locks: rows thrown away meanwhile would be missed.
      // The feed is read by its index, also by a plan that was made while it was empty.
      const settings =
        "set_config('default_transaction_isolation', 'read committed', false), set_config('lock_timeout', $1, false), " +
        "set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false), " +
        "set_config('enable_bitmapscan', 'off', false), set_config('enable_sort', 'off', false)"
      await connection.query(`SELECT ${settings}`, [String(options.answerTimeoutMs)])
    }
    const [row] = await connection.query('SELECT pg_is_in_recovery()::text AS is_standby')
    this.#source = work.parts.source(options.schema, row?.is_standby === 'true')
    this.#identity = await this.#source.identify(connection)
    work.source = this.#source.kind
  }

  /** Answers whether the lock is held; `false` when told to stop first. */
  async #takeLock(node: string): Promise<boolean> {
    const { connection, name, work, emitter, alarm, signal, options, onStandingBy } = this.#session
    let standsBehind: string | undefined
    let progress = { savedAtMs: 0, sinceMs: options.clock.now() }
    for (let tries = 0; !signal.aborted; ) {
      const answer = await work.lock.tryTake(connection, name, node)
      if (answer.kind === 'held') return true
      if (answer.kind === 'own-leftover') {
        await alarm.sleep(leftoverRetryMs)
        continue
      }
      if (answer.kind === 'other-node') {
        tries++
        if (tries >= foreignTries) throw nodeTaken(answer.holder)
        await alarm.sleep(foreignRetryMs)
        continue
      }
      tries = 0
      const { pid } = answer.holder
      if (pid !== standsBehind) emitter.emit('standingBy', { pid })
      standsBehind = pid
      onStandingBy()
      const nowMs = options.clock.now()
      const savedAtMs = (await work.keeper.read().catch(() => undefined))?.savedAtMs ?? 0
      if (savedAtMs !== progress.savedAtMs) progress = { savedAtMs, sinceMs: nowMs }
      if (nowMs - progress.sinceMs > options.takeoverAfterMs) {
        emitter.warn(
          `The process of this node that reads the feed (backend ${pid}) has shown no progress; it is replaced.`,
        )
        await endOwnLeftover(connection, answer.holder)
        progress = { savedAtMs, sinceMs: nowMs }
      }
      await alarm.sleep(options.standbyRetryMs)
    }
    return false
  }

  /** Takes up the cursor beside the pages, or empties the store and begins here. */
  async #takeUp(): Promise<void> {
    const { connection, work } = this.#session
    const end = await this.#source.end(connection)
    let saved: SavedCursor | undefined
    let reason: EmptiedReason | undefined
    try {
      saved = await work.keeper.read()
      reason = saved === undefined ? 'no-cursor' : distrust(saved, this.#identity, end)
    } catch (thrown) {
      if (isPagekeepError(thrown)) throw thrown
      reason = 'unreadable'
    }
    if (saved === undefined || reason !== undefined) return this.#empty(reason ?? 'no-cursor', end)
    const { snapshot, lowWater, lsn } = saved
    this.#cursor = { snapshot, lowWater, ...(lsn !== undefined && { lsn }) }
    this.#applied = this.#cursor
  }

  /** `end` was read before: what is committed after it comes with the feed, what was before goes with the pages. */
  async #empty(reason: EmptiedReason, end: Cursor): Promise<void> {
    const { work, emitter } = this.#session
    const message = `The store of the node "${work.node}" is emptied: ${reasonTexts[reason]}.`
    emitter.emit('emptied', { reason, message })
    await work.keeper.forget()
    await work.applier.empty()
    this.#cursor = end
    this.#applied = end
    await work.advance(end, this.#identity, true)
  }

  #isDue(): boolean {
    const { options, work } = this.#session
    const dueAtMs = Math.min(this.#readAtMs, work.applier.retryAtMs)
    return this.#notified > 0 || work.isAsked || options.clock.now() >= dueAtMs
  }

  /** Reads and evicts what there is. */
  async #round(isCaughtUp: boolean): Promise<void> {
    const { connection, options, work } = this.#session
    const { clock, heartbeatMs, pollMs } = options
    const beganAtMs = clock.now()
    const notified = this.#notified
    this.#notified = 0
    work.isAsked = false
    await work.applier.retry()
    const { page, rows } = await this.#drain()
    if (work.applier.owed === 0) this.#applied = this.#cursor
    await work.advance(this.#applied, this.#identity, rows + notified > 0 || !isCaughtUp)
    if (page !== undefined) {
      work.appliedUntil = page.askedAt
      this.#notifies = page.notifies
      if (this.#listens && page.notifies) await this.#lease.observe(connection, page, rows + notified)
    }
    if (!work.applier.isResting) await work.lifeSign.write(beganAtMs)
    const isWoken = this.#listens && this.#notifies
    work.wakeUp = !isWoken ? 'poll' : this.#lease.state === 'asleep' ? 'notify' : 'lease'
    const wakesInMs = isWoken ? this.#lease.pollInMs(work.mirror.alive) : pollMs
    // Half of the time at most: where the machine is short of time, what is read next is more at once.
    const pauseMs = Math.max(wakesInMs, 2 * (clock.now() - beganAtMs))
    this.#readAtMs = beganAtMs + Math.min(pauseMs, heartbeatMs)
  }

  #idleMs(): number {
    const { options, work } = this.#session
    if (this.#isDue()) return 0
    const tidyAtMs = this.#isStandby ? Number.POSITIVE_INFINITY : work.tidying.dueAtMs
    return Math.min(this.#readAtMs, work.applier.retryAtMs, work.mirror.dueAtMs, tidyAtMs) - options.clock.now()
  }

  /** All pages from the cursor on; it moves when all are evicted or owed. */
  async #drain(): Promise<{ page?: FeedPage; rows: number }> {
    const { work, signal, options, connection } = this.#session
    if (work.applier.isResting) {
      await connection.query('SELECT 1')
      return { rows: 0 }
    }
    let first: FeedPage | undefined
    let next: PageStart | undefined
    let rows = 0
    do {
      const page = await this.#read(options.pageRows, next)
      const reason = this.#reasonToEmpty(page)
      if (reason !== undefined) {
        this.#identity = await this.#source.identify(connection)
        await this.#empty(reason, await this.#source.end(connection))
        return { rows }
      }
      first ??= page
      rows += page.rows.length
      work.rows += page.rows.length
      await work.applier.apply(page.rows)
      next = page.next
      if (work.applier.isResting || (next !== undefined && signal.aborted)) return { rows }
    } while (next !== undefined)
    this.#cursor = first.cursor
    return { page: first, rows }
  }

  async #read(limit: number, after: PageStart | undefined): Promise<FeedPage> {
    const { connection } = this.#session
    if (!this.#isPooled) return this.#source.read(connection, this.#cursor, limit, after)
    // Settings of a session do not hold behind a pooler; the isolation must.
    await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY')
    try {
      return await this.#source.read(connection, this.#cursor, limit, after)
    } finally {
      await connection.query('COMMIT')
    }
  }

  #reasonToEmpty(page: FeedPage): EmptiedReason | undefined {
    if (page.source !== this.#source.kind) {
      const place = describePlace(this.#session.connection.place)
      throw unreachable(`The server at ${place} was promoted. The connection is made again.`)
    }
    if (page.epoch !== this.#identity.epoch) return 'epoch'
    return hasLost(this.#cursor, page.cursor.lowWater) ? 'low-water' : undefined
  }

  async #tell(state: string, atOnce = false): Promise<void> {
    const { connection, work } = this.#session
    const progress = {
      cursor: this.#applied.snapshot,
      appliedUntil: work.applier.owed === 0 ? work.appliedUntil : undefined,
      state,
      backlog: work.applier.owed,
    }
    await work.mirror.tell(connection, work.node ?? '', progress, atOnce)
  }
}
