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
import { PagekeepError } from '../../core/errors.js'
import type { Invalidator } from '../../core/invalidator.js'
import { Alarm } from './alarm.js'
import { jitteredBackoffMs } from './backoff.js'
import { Connection } from './connection.js'
import { isPermanent } from './database-errors.js'
import { InvalidatorEmitter, type InvalidatorEventName, type InvalidatorListener } from './events.js'
import { type CheckedOptions, checkOptions, type PostgresInvalidatorOptions } from './options.js'
import { runSession } from './session.js'
import type { InvalidatorState, InvalidatorStatus } from './status.js'
import { type Parts, soundParts, Work } from './work.js'

interface Run {
  readonly abort: AbortController
  readonly alarm: Alarm
  readonly started: Promise<void>
  readonly ended: Promise<void>
}

interface Waiting {
  readonly signal: AbortSignal
  readonly alarm: Alarm
  readonly started: () => void
}

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
  readonly #waiters = new Set<{ resolve(): void; reject(reason: unknown): void }>()
  #state: InvalidatorState = 'stopped'
  #sinceMs: number
  #run: Run | undefined
  #connection: Connection | undefined
  #connections = 0
  #lastHeardAtMs: number | undefined

  /** Throws `TypeError` or `RangeError` for options that cannot be used; touches nothing yet. `parts` is for tests. */
  constructor(options: PostgresInvalidatorOptions, parts: Parts = soundParts) {
    this.#options = checkOptions(options)
    this.#emitter = new InvalidatorEmitter(this.#options.logger)
    this.#work = new Work(this.#options, this.#emitter, parts)
    this.#sinceMs = this.#options.clock.now()
  }

  /**
   * Resolves when what was queued is evicted, or another process of this node does that; also when the
   * database cannot be reached or refuses, after saying so: it is tried again for ever, and pages are
   * served meanwhile. Rejects with `channel-unknown`, `database-lacks` or `queue-taken`.
   */
  start(): Promise<void> {
    if (this.#state === 'stopping') return Promise.reject(closed('It is being stopped; await stop() before start().'))
    this.#run ??= this.#begin()
    return this.#run.started
  }

  /** Finishes the batch at hand, ends the connection. Harmless when stopped; `start()` may follow. */
  async stop(): Promise<void> {
    const run = this.#run
    if (run === undefined) return
    if (this.#state !== 'stopping') this.#enter('stopping')
    run.abort.abort()
    run.alarm.ring()
    await run.ended
  }

  /** Resolves when it has caught up; rejects with `signal`'s reason, or `closed` when it is stopped first. */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    if (this.#isCaughtUp()) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void) => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', aborted)
        settled()
      }
      const waiter = { resolve: () => settle(resolve), reject: (reason: unknown) => settle(() => reject(reason)) }
      const aborted = () => waiter.reject(signal?.reason)
      signal?.addEventListener('abort', aborted)
      this.#waiters.add(waiter)
    })
  }

  /** Returns a function that ends the listening. A listener that throws is logged. */
  on<Name extends InvalidatorEventName>(name: Name, listener: InvalidatorListener<Name>): () => void {
    return this.#emitter.on(name, listener)
  }

  status(): InvalidatorStatus {
    const { drains, secondLook, sweep, evictor, channels } = this.#work
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
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

  #begin(): Run {
    const abort = new AbortController()
    const alarm = new Alarm(this.#options.clock)
    let started = () => {}
    let refused: (reason: unknown) => void = () => {}
    const result = new Promise<void>((resolve, reject) => {
      started = resolve
      refused = reject
    })
    const ended = this.#loop(abort.signal, alarm, started).then((refusal) => {
      this.#run = undefined
      this.#enter('stopped')
      if (refusal === undefined) started()
      else refused(refusal)
      const reason = refusal ?? closed('It was stopped before it had caught up.')
      for (const waiter of [...this.#waiters]) waiter.reject(reason)
    })
    return { abort, alarm, started: result, ended }
  }

  /** Connects, works, and again, until told to stop, or until the first attempt shows what cannot be mended. */
  async #loop(signal: AbortSignal, alarm: Alarm, started: () => void): Promise<PagekeepError | undefined> {
    const { clock, reconnectMaxMs } = this.#options
    let failures = 0
    let hasStarted = false
    const settled = (state: 'listening' | 'standing-by') => {
      hasStarted = true
      this.#enter(state)
      started()
      for (const waiter of [...this.#waiters]) waiter.resolve()
    }
    while (!signal.aborted) {
      const beganAtMs = clock.now()
      try {
        this.#enter('connecting')
        await this.#connectAndWork(signal, alarm, settled)
      } catch (thrown) {
        const error = thrown as PagekeepError
        if (signal.aborted) break
        if (!hasStarted && isPermanent(error)) return error
        hasStarted = true
        // A connection that was made and lost at once has not ended the trouble.
        failures = clock.now() - beganAtMs > reconnectMaxMs ? 1 : failures + 1
        await this.#wait(error, failures, { signal, alarm, started })
      }
    }
    return undefined
  }

  async #connectAndWork(
    signal: AbortSignal,
    alarm: Alarm,
    settled: (state: 'listening' | 'standing-by') => void,
  ): Promise<void> {
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
        onListening: () => this.#enter('catching-up'),
        onCaughtUp: () => settled('listening'),
      })
    } finally {
      this.#lastHeardAtMs = connection.heardAtMs
      this.#connection = undefined
      await connection.close()
    }
  }

  async #wait(error: PagekeepError, failures: number, { signal, alarm, started }: Waiting): Promise<void> {
    const { clock, reconnectMaxMs } = this.#options
    const retryInMs = Math.ceil(jitteredBackoffMs(failures, { minMs: 100, maxMs: reconnectMaxMs }))
    const untilMs = clock.now() + retryInMs
    this.#enter('waiting')
    this.#emitter.fault(error)
    this.#emitter.emit('disconnected', { reason: error, retryInMs })
    started()
    // The alarm may still ring for what the lost connection brought.
    while (!signal.aborted && clock.now() < untilMs) await alarm.sleep(untilMs - clock.now())
  }

  #isCaughtUp(): boolean {
    return this.#state === 'listening' || this.#state === 'standing-by'
  }

  #enter(state: InvalidatorState): void {
    if (this.#state === state || (this.#state === 'stopping' && state !== 'stopped')) return
    this.#state = state
    this.#sinceMs = this.#options.clock.now()
  }
}

function closed(reason: string): PagekeepError {
  return new PagekeepError('closed', `The invalidator is not running. ${reason}`)
}
