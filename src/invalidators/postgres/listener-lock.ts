/**
 * One listener on a queue: rows that one deletes no other sees, so two nodes on one queue would each miss
 * what the other takes. A session's advisory lock on each queue table tells them apart.
 * What another process on the same pages holds is waited for; another node is refused.
 */
import { PagekeepError } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import type { Connection } from './connection.js'
import type { InvalidatorEmitter } from './events.js'
import { findHolder, type Holder, KnownHolder, type LockAnswer, newHolderName } from './lock-holder.js'
import type { QueueTable } from './queue-table.js'

export interface ListenerLock {
  /** A name for a connection; also its `application_name`. */
  newName(): string
  /** Tries once. The lock lasts as long as the connection. */
  tryTake(connection: Connection, name: string, tables: readonly QueueTable[]): Promise<LockAnswer>
}

// Advisory locks have two numbers: this one is ours ("pkep"), the other is the table's.
const lockClass = 0x706b6570

export class AdvisoryListenerLock implements ListenerLock {
  readonly #holder: KnownHolder

  constructor(state: StoreState, emitter: InvalidatorEmitter) {
    this.#holder = new KnownHolder(state, 'postgres-listener', emitter)
  }

  newName(): string {
    return newHolderName()
  }

  async tryTake(connection: Connection, name: string, tables: readonly QueueTable[]): Promise<LockAnswer> {
    const sorted = [...tables].sort((a, b) => a.oid - b.oid)
    for (const [index, table] of sorted.entries()) {
      // Table numbers are unsigned, lock numbers signed.
      const [answer] = await connection.query('SELECT pg_try_advisory_lock($1, $2)::text AS taken', [
        lockClass,
        table.oid | 0,
      ])
      if (answer?.taken === 'true') continue
      const holder = await findHolder(connection, lockClass, table.oid, table.definition.table.written)
      for (const { oid } of sorted.slice(0, index)) {
        await connection.query('SELECT pg_advisory_unlock($1, $2)::text', [lockClass, oid | 0])
      }
      return this.#holder.judge(connection, holder)
    }
    return this.#holder.becomes(name)
  }
}

/** What to tell when the lock is another node's. */
export function queueTaken({ applicationName, pid, user, address, table }: Holder): PagekeepError {
  return new PagekeepError(
    'queue-taken',
    `Another listener already clears the queue ${table}: "${applicationName}" (pid ${pid}, user "${user}", from ${address}). ` +
      'Rows that it takes would never be seen here, and pages would stay old. Run one listener for a queue: ' +
      'let all processes share one store, or stop the other listener.',
  )
}
