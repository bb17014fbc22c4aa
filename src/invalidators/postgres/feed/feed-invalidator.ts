/**
 * Learns from the feed, which triggers write in the transactions that change the data, which pages are old,
 * and has them evicted on this node.
 *
 * | state       | entered                                   | what holds in it                                    | left                                      |
 * |-------------|-------------------------------------------|-----------------------------------------------------|-------------------------------------------|
 * | stopped     | at first; when stop() is done; when start() rejects | no connection, no timer                   | start()                                   |
 * | connecting  | start(); a wait is over                   | no lock; the cursor lies beside the pages           | connected, failed, stop()                 |
 * | standing-by | a process of this node has the lock       | that process reads the feed                         | the lock is free, connection lost, stop() |
 * | catching-up | lock held, LISTEN done                    | what is committed from now on wakes it; the cursor is believed, or the store is being emptied | the feed was read to its end, connection lost, stop() |
 * | listening   | the feed was read to its end once         | all before the cursor is evicted                    | connection lost, stop()                   |
 * | waiting     | connection failed or lost                 | rows stay in the feed; the cursor stays             | after the backoff, stop()                 |
 * | stopping    | stop()                                    | the page of rows at hand is finished                | it is finished                            |
 *
 * Why nothing is missed:
 * 1. A change and its rows are one transaction. The cursor is a snapshot, and what is read next are the rows
 *    of all transactions that it did not show, in whatever order they end (table-source.ts).
 * 2. The cursor is saved after the evictions, never before: a crash repeats them. What fails holds it back.
 * 3. It is believed only of the very feed it was read from, with nothing thrown away since; else everything is
 *    evicted, and reading begins at a snapshot that was taken before that (cursor-keeper.ts).
 * 4. A wake-up carries nothing. Each makes it read, and so does time; a NOTIFY is skipped only while somebody
 *    polls, and polling goes on until all that skipped have ended (poll-lease.ts).
 */
import type { Invalidator } from '../../../core/invalidator.js'
import { Connection } from '../connection.js'
import { InvalidatorEmitter, type InvalidatorEventName, type InvalidatorListener } from '../events.js'
import { closed, ListenerLoop, type SessionTurn } from '../listener-loop.js'
import { type CheckedFeedOptions, checkFeedOptions, type FeedInvalidatorOptions } from './feed-options.js'
import { runFeedSession } from './feed-session.js'
import type { FeedStatus } from './feed-status.js'
import { type FeedParts, FeedWork, soundFeedParts } from './feed-work.js'
import { type PositionInput, readPosition } from './position.js'
import { Settle, type SettleEverywhereOptions, type SettleOptions } from './settle.js'

/**
 * @example
 * const invalidator = new FeedInvalidator({ connection, target: cache })
 * await invalidator.start()
 * await client.query("UPDATE products SET price = 5 WHERE name = 'tea'")
 * await invalidator.settled(client)
 * await invalidator.stop()
 */
export class FeedInvalidator implements Invalidator {
  readonly #options: CheckedFeedOptions
  readonly #emitter: InvalidatorEmitter
  readonly #work: FeedWork
  readonly #loop: ListenerLoop
  readonly #settle: Settle
  #connections = 0
  #lastHeardAtMs: number | undefined

  /** Throws `TypeError` or `RangeError` for options that cannot be used; touches nothing yet. `parts` is for tests. */
  constructor(options: FeedInvalidatorOptions, parts: FeedParts = soundFeedParts) {
    this.#options = checkFeedOptions(options)
    const { clock, reconnectMaxMs, logger } = this.#options
    this.#emitter = new InvalidatorEmitter(logger)
    this.#work = new FeedWork(this.#options, this.#emitter, parts)
    this.#loop = new ListenerLoop({
      clock,
      reconnectMaxMs,
      emitter: this.#emitter,
      session: (turn) => this.#connectAndRead(turn),
    })
    this.#settle = new Settle(this.#options, this.#work, this.#emitter, () => {
      this.#work.isAsked = true
      this.#loop.ring()
    })
  }

  /**
   * Resolves when what the feed had is evicted, or another process of this node sees to that; also when the
   * database cannot be reached or refuses, after saying so: it is tried again for ever, and pages are served
   * meanwhile. Rejects with `database-lacks` or `node-taken`.
   */
  start(): Promise<void> {
    return this.#loop.start()
  }

  /** Finishes the rows at hand, ends the connection. Harmless when stopped; `start()` may follow. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** Resolves when it has caught up; rejects with `signal`'s reason, or `closed` when it is stopped first. */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#loop.ready(options)
  }

  /** Returns a function that ends the listening. A listener that throws is logged. */
  on<Name extends InvalidatorEventName>(name: Name, listener: InvalidatorListener<Name>): () => void {
    return this.#emitter.on(name, listener)
  }

  /**
   * Read your writes: resolves when all that `position` names is evicted on this node, whichever of its processes
   * reads the feed: what a pg client has committed so far, or the transaction `{ xid }`, or all commits that had
   * returned when the log's end was `{ lsn }`. On a node that reads from a standby `{ xid }` also waits for all
   * older transactions.
   *
   * Rejects with `in-transaction` for a client inside one, `not-settled` after `timeoutMs` (default 10,000),
   * `closed` when it is not running.
   */
  async settled(position: PositionInput, options: SettleOptions = {}): Promise<void> {
    this.#checkRunning()
    await this.#settle.here(await readPosition(position), options)
  }

  /**
   * The same for every node in the table `node`. Rejects with `not-settled`, whose `nodes` are the names of those
   * that lag.
   *
   * Nodes that were stopped in order and those silent for longer than `ignoreSilentMs` (default a day) are not
   * waited for. Such a node may still be serving old pages, unless its cache has `maxLagMs`. Nodes that read from
   * a standby cannot write the table: only this one is waited for if it is one.
   */
  async settledEverywhere(position: PositionInput, options: SettleEverywhereOptions = {}): Promise<void> {
    this.#checkRunning()
    await this.#settle.everywhere(await readPosition(position), options)
  }

  status(): FeedStatus {
    const { evictor, applier, applied, node, source, wakeUp, rows, tidying, connection } = this.#work
    return {
      state: this.#loop.state,
      sinceMs: this.#loop.sinceMs,
      lastHeardAtMs: connection?.heardAtMs ?? this.#lastHeardAtMs,
      connections: this.#connections,
      removed: evictor.removed,
      lastError: this.#emitter.lastFault,
      node: node ?? this.#options.node,
      source,
      wakeUp,
      cursor: applied?.snapshot,
      rows,
      owed: applier.owed,
      isResting: applier.isResting,
      tidied: tidying.last,
    }
  }

  #checkRunning(): void {
    if (this.#loop.state === 'stopped' || this.#loop.state === 'stopping') throw closed('Await start() first.')
  }

  async #connectAndRead({ signal, alarm, enter, settled }: SessionTurn): Promise<void> {
    const { answerTimeoutMs } = this.#options
    const name = this.#work.lock.newName()
    const connection = await Connection.open({
      ...this.#options,
      applicationName: name,
      queryTimeoutMs: answerTimeoutMs,
      idleInTransactionMs: 10_000,
      signal,
    })
    this.#work.connection = connection
    this.#connections++
    try {
      await runFeedSession({
        connection,
        name,
        options: this.#options,
        work: this.#work,
        emitter: this.#emitter,
        alarm,
        signal,
        onStandingBy: () => settled('standing-by'),
        onReading: () => enter('catching-up'),
        onCaughtUp: () => settled('listening'),
      })
    } finally {
      this.#lastHeardAtMs = connection.heardAtMs
      this.#work.connection = undefined
      await connection.close()
    }
  }
}
