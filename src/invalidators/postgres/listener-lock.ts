/**
 * One listener on a queue: rows that one deletes no other sees, so two nodes on one queue would each miss
 * what the other takes. A session's advisory lock on each queue table tells them apart.
 *
 * The holder names itself in `application_name` and writes that name beside its pages. Whoever finds the
 * lock taken reads its own state: the same name there means a process on the same pages, and it stands by;
 * another means another node, and it is refused. A connection of this process that died on the way leaves
 * a holder on the server, perhaps for hours; it is ended.
 */
import { randomBytes } from 'node:crypto'
import { PagekeepError, reasonOf } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import type { Connection } from './connection.js'
import type { InvalidatorEmitter } from './events.js'
import type { QueueTable } from './queue-table.js'

export interface Holder {
  readonly applicationName: string
  readonly pid: string
  readonly user: string
  readonly address: string
  readonly table: string
}

export type LockAnswer =
  | { readonly kind: 'held' }
  | { readonly kind: 'own-leftover' | 'same-node' | 'other-node'; readonly holder: Holder }

export interface ListenerLock {
  /** A name for a connection; also its `application_name`. */
  newName(): string
  /** Tries once. The lock lasts as long as the connection. */
  tryTake(connection: Connection, name: string, tables: readonly QueueTable[]): Promise<LockAnswer>
}

const stateName = 'postgres-listener'
// Advisory locks have two numbers: this one is ours ("pkep"), the other is the table's.
const lockClass = 0x706b6570

export class AdvisoryListenerLock implements ListenerLock {
  readonly #state: StoreState
  readonly #emitter: InvalidatorEmitter
  #lastName: string | undefined

  constructor(state: StoreState, emitter: InvalidatorEmitter) {
    this.#state = state
    this.#emitter = emitter
  }

  newName(): string {
    return `pagekeep:${randomBytes(6).toString('hex')}`
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
      if (holder.applicationName === this.#lastName) {
        await endOwnLeftover(connection, holder)
        return { kind: 'own-leftover', holder }
      }
      const isSameNode = holder.applicationName === (await this.#state.read(stateName))
      return { kind: isSameNode ? 'same-node' : 'other-node', holder }
    }
    this.#lastName = name
    try {
      await this.#state.write(stateName, name)
    } catch (thrown) {
      this.#emitter.warn(
        `The state "${stateName}" cannot be written, so other processes of this node are refused: ${reasonOf(thrown)}.`,
      )
    }
    return { kind: 'held' }
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

/** Roles may end their own connections. By name too: the number may be another's by now. */
export async function endOwnLeftover(connection: Connection, { pid, applicationName }: Holder): Promise<void> {
  const sql =
    'SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid::text = $1 AND application_name = $2'
  await connection.query(sql, [pid, applicationName])
}

/** Who holds that advisory lock; `table` is only named. */
export async function findHolder(
  connection: Connection,
  lockClass: number,
  lockId: number,
  table: string,
): Promise<Holder> {
  const [row] = await connection.query(
    `SELECT a.application_name AS name, a.pid::text AS pid, a.usename::text AS user, a.client_addr::text AS address
       FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $1::oid AND l.objid = $2::oid
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [lockClass, lockId],
  )
  return {
    applicationName: row?.name ?? '(it has just ended)',
    pid: row?.pid ?? '?',
    user: row?.user ?? '?',
    address: row?.address ?? 'a place that this role may not see, or the same host',
    table,
  }
}
