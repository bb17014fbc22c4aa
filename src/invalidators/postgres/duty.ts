/**
 * One of the things that a listener does: a queue to drain, a NOTIFY to follow, a second look, a sweep, a
 * heartbeat. The loop gives every duty that is due one turn a round, so that a busy one starves none.
 */
import type { Connection } from './connection.js'

export interface Duty {
  /** When it wants a turn, in milliseconds since 1970; `Infinity`: not before something happens. */
  dueAtMs(): number
  /** Whether something that was there at `sinceMs` still waits for its first turn. */
  isBehind(sinceMs: number): boolean
  /** One bounded piece of work. Rejects only when the connection cannot go on. */
  turn(connection: Connection): Promise<void>
}

/** When something that has just happened, or is still owed, wants its turn. */
export const atOnce = 0
export const never = Number.POSITIVE_INFINITY
