/**
 * What a node says of itself in the table `node`, for `settledEverywhere` and for people: how far it has come.
 * Nothing of its own work rests on it. At most once a second, and at least every ten, so that it counts as
 * alive; each costs a transaction. A node that reads from a standby cannot write it.
 */
import { hostname } from 'node:os'
import type { Clock } from '../../../core/clock.js'
import type { Connection } from '../connection.js'
import { lacks, statementFailure } from '../database-errors.js'
import type { SchemaName } from './schema/quoting.js'

export interface NodeProgress {
  readonly cursor: string | undefined
  readonly appliedUntil: string | undefined
  readonly state: string
  readonly backlog: number
}

export const mirrorEveryMs = 1000
const aliveEveryMs = 10_000

export class NodeMirror {
  readonly #schema: SchemaName
  readonly #clock: Clock
  #writtenAtMs = Number.NEGATIVE_INFINITY
  #written = ''
  #dueAtMs = Number.POSITIVE_INFINITY
  /** How many nodes were alive when it was last written. */
  alive = 1

  constructor(schema: SchemaName, clock: Clock) {
    this.#schema = schema
    this.#clock = clock
  }

  /** When what was held back wants to be written. */
  get dueAtMs(): number {
    return this.#dueAtMs
  }

  /** Writes it if it has changed, or was not said for long; `atOnce`: without holding back. */
  async tell(connection: Connection, node: string, progress: NodeProgress, atOnce = false): Promise<void> {
    const { cursor = null, appliedUntil = null, state, backlog } = progress
    const nowMs = this.#clock.now()
    const text = JSON.stringify([cursor, state, backlog])
    const sinceMs = nowMs - this.#writtenAtMs
    this.#dueAtMs = Number.POSITIVE_INFINITY
    if (text === this.#written && sinceMs < aliveEveryMs) return
    if (!atOnce && sinceMs < mirrorEveryMs) {
      this.#dueAtMs = this.#writtenAtMs + mirrorEveryMs
      return
    }
    const rows = await connection
      .query(
        `INSERT INTO ${this.#schema.of('node')} AS n (name, cursor, applied_until, host, pid, state, backlog, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
         ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, applied_until = excluded.applied_until,
           host = excluded.host, pid = excluded.pid, state = excluded.state, backlog = excluded.backlog,
           seen_at = excluded.seen_at
         RETURNING (SELECT count(*)::text FROM ${this.#schema.of('node')} AS o
                     WHERE o.name <> $1 AND o.state <> 'stopped'
                       AND o.seen_at > clock_timestamp() - interval '${2 * aliveEveryMs} ms') AS others`,
        [node, cursor, appliedUntil, hostname(), process.pid, state, backlog],
      )
      .catch((thrown: unknown) => {
        const error = statementFailure(thrown, `writing ${this.#schema.of('node')}`)
        throw error.code === 'database-lacks' ? lacks(error.message, thrown) : error
      })
    this.alive = 1 + Number(rows[0]?.others ?? 0)
    this.#writtenAtMs = nowMs
    this.#written = text
  }
}
