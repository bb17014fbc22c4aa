/**
 * Learns from PostgreSQL which pages are old, by queue tables that triggers fill and NOTIFYs that wake it
 * and has them evicted. Runs inside the web process or as a process of its own.
 *
 * | state       | entered                                   | what holds in it                            | left                                    |
 * |-------------|-------------------------------------------|---------------------------------------------|-----------------------------------------|
 * | stopped     | at first; when stop() is done; when start() rejects | no connection, no timer            | start()                                 |
 * | connecting  | start(); a wait is over                   | no lock, nothing is taken from queues       | connected, failed, stop()               |
 * | standing-by | a process of this node has the lock       | that process clears the queues              | the lock is free, connection lost, stop() |
 * | catching-up | lock held, LISTEN done                    | what is queued from now on notifies         | each queue was drained once, connection lost, stop() |
 * | listening   | all that was queued before has been dealt with | what was set aside is told, the rest is evicted | connection lost, stop()                 |
 * | waiting     | connection failed or lost                 | rows stay queued; nothing is lost           | after the backoff, stop()               |
 * | stopping    | stop()                                    | the batch at hand is finished               | it is finished                          |
 */
import type { Invalidator } from '../../core/invalidator.js'
import { Connection } from './connection.js'
import { InvalidatorEmitter, type InvalidatorEventName, type InvalidatorListener } from './events.js'
import { ListenerLoop, type SessionTurn } from './listener-loop.js'
import { type CheckedOptions, checkOptions, type PostgresInvalidatorOptions } from './options.js'
import { runSession } from './session.js'
import type { InvalidatorStatus } from './status.js'
import { type Parts, soundParts, Work } from './work.js'

/**
 * @example
 * const invalidator = new PostgresInvalidator({ connection, target: cache, rules })
 * await invalidator.start()
 * await invalidator.stop()
 */
export class PostgresInvalidator implements Invalidator {
  readonly #options: CheckedOptions
  readonly #emitter: InvalidatorEmitter
  readonly #work: Work
  readonly #loop: ListenerLoop
  #connection: Connection | undefined
  #connections = 0
  #lastHeardAtMs: number | undefined

  /** Throws `TypeError` or `RangeError` for options that cannot be used; touches nothing yet. `parts` is for tests. */
  constructor(options: PostgresInvalidatorOptions, parts: Parts = soundParts) {
    this.#options = checkOptions(options)
    this.#emitter = new InvalidatorEmitter(this.#options.logger)
    this.#work = new Work(this.#options, this.#emitter, parts)
    const { clock, reconnectMaxMs } = this.#options
    const session = (turn: SessionTurn) => this.#connectAndWork(turn)
    this.#loop = new ListenerLoop({ clock, reconnectMaxMs, emitter: this.#emitter, session })
  }

  /**
   * Resolves when what was queued is evicted, or another process of this node does that; also when the
   * database cannot be reached or refuses, after saying so: it is tried again for ever, and pages are
   * served meanwhile. Rejects with `channel-unknown`, `database-lacks` or `queue-taken`.
   */
  start(): Promise<void> {
    return this.#loop.start()
  }

  /** Finishes the batch at hand, ends the connection. Harmless when stopped; `start()` may follow. */
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

  status(): InvalidatorStatus {
    const { drains, secondLook, sweep, evictor, channels } = this.#work
    return {
      state: this.#loop.state,
      sinceMs: this.#loop.sinceMs,
      lastHeardAtMs: this.#connection?.heardAtMs ?? this.#lastHeardAtMs,
      lastSweepAtMs: sweep.lastAtMs,
      connections: this.#connections,
      removed: evictor.removed,
      lastError: this.#emitter.lastFault,
      channels,
      queues: drains.map(({ queue, channel, backlog, cleared, setAside }) => ({
        table: queue.table.written,
        channel,
        backlog,
        cleared,
        setAside: setAside.list(),
      })),
      secondLook: { pending: secondLook.pending, waitingFor: secondLook.waitingFor },
    }
  }

  async #connectAndWork({ signal, alarm, enter, settled }: SessionTurn): Promise<void> {
    const name = this.#work.lock.newName()
    const idleInTransactionMs = this.#options.maxHoldMs + 9000
    const connection = await Connection.open({ ...this.#options, applicationName: name, idleInTransactionMs, signal })
    this.#connection = connection
    this.#connections++
    try {
      await runSession({
        connection,
        name,
        options: this.#options,
        work: this.#work,
        emitter: this.#emitter,
        alarm,
        signal,
        onStandingBy: () => settled('standing-by'),
        onListening: () => enter('catching-up'),
        onCaughtUp: () => settled('listening'),
      })
    } finally {
      this.#lastHeardAtMs = connection.heardAtMs
      this.#connection = undefined
      await connection.close()
    }
  }
}
