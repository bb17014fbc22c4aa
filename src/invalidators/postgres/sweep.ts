/**
 * Has every queue looked at, whether or not a NOTIFY came: on each connection, and at intervals. Rows can
 * be there without one: queued while nobody listened, or by a trigger that notifies only for what is new.
 */
import type { Clock } from '../../core/clock.js'
import type { Connection } from './connection.js'
import { statementFailure } from './database-errors.js'
import { atOnce, type Duty } from './duty.js'
import type { InvalidatorEmitter } from './events.js'
import type { QueueDrain } from './queue-drain.js'

export class Sweep implements Duty {
  readonly #drains: readonly QueueDrain[]
  readonly #emitter: InvalidatorEmitter
  readonly #clock: Clock
  readonly #intervalMs: number
  #dueAtMs = atOnce
  #beganAtMs: number | undefined
  #clearedBefore = 0
  /** When the last sweep was done, in milliseconds since 1970. */
  lastAtMs: number | undefined

  constructor(drains: readonly QueueDrain[], emitter: InvalidatorEmitter, clock: Clock, intervalMs: number) {
    this.#drains = drains
    this.#emitter = emitter
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  markDue(): void {
    this.#dueAtMs = atOnce
  }

  dueAtMs(): number {
    return this.#dueAtMs
  }

  async turn(connection: Connection): Promise<void> {
    const nowMs = this.#clock.now()
    this.#dueAtMs = nowMs + this.#intervalMs
    this.#beganAtMs = nowMs
    for (const drain of this.#drains) {
      drain.markDue()
      try {
        await drain.countBacklog(connection)
      } catch (thrown) {
        if (connection.isLost) throw thrown
        this.#emitter.fault(statementFailure(thrown, `counting ${drain.queue.table.written}`))
      }
    }
  }

  isBehind(): boolean {
    return this.#dueAtMs === atOnce
  }

  /** Notes that the sweep is done, once it is. */
  settle(): void {
    const beganAtMs = this.#beganAtMs
    if (beganAtMs === undefined || this.#drains.some((drain) => drain.isBehind(beganAtMs))) return
    this.#beganAtMs = undefined
    this.lastAtMs = this.#clock.now()
    const cleared = this.#drains.reduce((sum, drain) => sum + drain.cleared, 0)
    this.#emitter.emit('swept', { rows: cleared - this.#clearedBefore })
    this.#clearedBefore = cleared
  }
}
