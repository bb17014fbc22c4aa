/**
 * Asks the server something when it is time: a half-open connection does not answer. Looks into the queues
 * as well, so that rows which nobody notified of do not wait for the sweep.
 */
import type { Clock } from '../../core/clock.js'
import type { Connection } from './connection.js'
import type { Duty } from './duty.js'
import type { QueueDrain } from './queue-drain.js'

export class Heartbeat implements Duty {
  readonly #drains: readonly QueueDrain[]
  readonly #clock: Clock
  readonly #intervalMs: number
  /** When it last asked a question that was answered, in milliseconds since 1970. */
  askedAtMs: number

  constructor(drains: readonly QueueDrain[], clock: Clock, intervalMs: number) {
    this.#drains = drains
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.askedAtMs = clock.now()
  }

  dueAtMs(): number {
    return this.askedAtMs + this.#intervalMs
  }

  isBehind(): boolean {
    return false
  }

  async turn(connection: Connection): Promise<void> {
    const askedAtMs = this.#clock.now()
    await connection.query('SELECT 1', [], this.#intervalMs)
    this.askedAtMs = askedAtMs
    for (const drain of this.#drains) await drain.glance(connection)
  }
}
