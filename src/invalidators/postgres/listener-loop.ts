/**
 * What every listener does: connect, work until the connection is lost, wait a little, and again, for ever,
 * until told to stop. Knows the states and who waits for them; what is done with a connection is handed in.
 *
 * The states are explained in postgres-invalidator.ts and feed/feed-invalidator.ts.
 */
import type { Clock } from '../../core/clock.js'
import { PagekeepError } from '../../core/errors.js'
import { Alarm } from './alarm.js'
import { jitteredBackoffMs } from './backoff.js'
import { isPermanent } from './database-errors.js'
import type { InvalidatorEmitter } from './events.js'
import type { InvalidatorState } from './status.js'

export interface ListenerLoopOptions {
  readonly clock: Clock
  /** The longest wait between two attempts. */
  readonly reconnectMaxMs: number
  readonly emitter: InvalidatorEmitter
  /** Connects and works. Resolves when told to stop; rejects with a `PagekeepError` when it cannot go on. */
  session(turn: SessionTurn): Promise<void>
}

/** What one session is given. */
export interface SessionTurn {
  readonly signal: AbortSignal
  readonly alarm: Alarm
  enter(state: InvalidatorState): void
  /** It has caught up, or stands by: `start()` and `ready()` resolve. */
  settled(state: 'listening' | 'standing-by'): void
}

interface Run {
  readonly abort: AbortController
  readonly alarm: Alarm
  readonly started: Promise<void>
  readonly ended: Promise<void>
}

export class ListenerLoop {
  readonly #options: ListenerLoopOptions
  readonly #waiters = new Set<{ resolve(): void; reject(reason: unknown): void }>()
  #run: Run | undefined
  state: InvalidatorState = 'stopped'
  sinceMs: number

  constructor(options: ListenerLoopOptions) {
    this.#options = options
    this.sinceMs = options.clock.now()
  }

  /** Resolves when it has settled or waits to connect again. Rejects for what trying again cannot mend. */
  start(): Promise<void> {
    if (this.state === 'stopping') return Promise.reject(closed('It is being stopped; await stop() before start().'))
    this.#run ??= this.#begin()
    return this.#run.started
  }

  async stop(): Promise<void> {
    const run = this.#run
    if (run === undefined) return
    if (this.state !== 'stopping') this.#enter('stopping')
    run.abort.abort()
    run.alarm.ring()
    await run.ended
  }

  /** Resolves when it has caught up; rejects with `signal`'s reason, or `closed` when it is stopped first. */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    if (this.state === 'listening' || this.state === 'standing-by') return Promise.resolve()
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

  /** Cuts the session's sleep short. */
  ring(): void {
    this.#run?.alarm.ring()
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

  async #loop(signal: AbortSignal, alarm: Alarm, started: () => void): Promise<PagekeepError | undefined> {
    const { clock, reconnectMaxMs, session } = this.#options
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
        await session({ signal, alarm, settled, enter: (state) => this.#enter(state) })
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

  async #wait(
    error: PagekeepError,
    failures: number,
    { signal, alarm, started }: { readonly signal: AbortSignal; readonly alarm: Alarm; readonly started: () => void },
  ): Promise<void> {
    const { clock, reconnectMaxMs, emitter } = this.#options
    const retryInMs = Math.ceil(jitteredBackoffMs(failures, { minMs: 100, maxMs: reconnectMaxMs }))
    const untilMs = clock.now() + retryInMs
    this.#enter('waiting')
    emitter.fault(error)
    emitter.emit('disconnected', { reason: error, retryInMs })
    started()
    // The alarm may still ring for what the lost connection brought.
    while (!signal.aborted && clock.now() < untilMs) await alarm.sleep(untilMs - clock.now())
  }

  #enter(state: InvalidatorState): void {
    if (this.state === state || (this.state === 'stopping' && state !== 'stopped')) return
    this.state = state
    this.sinceMs = this.#options.clock.now()
  }
}

export function closed(reason: string): PagekeepError {
  return new PagekeepError('closed', `The invalidator is not running. ${reason}`)
}
