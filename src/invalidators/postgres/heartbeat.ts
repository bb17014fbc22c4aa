/** Asks the server something when it has been silent for a while: a half-open connection does not answer. */
import type { Clock } from '../../core/clock.js'
import type { Connection } from './connection.js'
import type { Duty } from './duty.js'

export class Heartbeat implements Duty {
  readonly #clock: Clock
  readonly #intervalMs: number
  #heardAtMs: number

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#heardAtMs = clock.now()
  }

  dueAtMs(): number {
    return this.#heardAtMs + this.#intervalMs
  }

  async turn(connection: Connection): Promise<void> {
    await connection.query('SELECT 1', [], this.#intervalMs)
    this.#heardAtMs = this.#clock.now()
  }
}
