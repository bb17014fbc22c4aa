/**
 * Who holds an advisory lock that only one process may have. The holder names itself in `application_name` and
 * writes that name beside its pages, so whoever finds the lock taken can tell three cases apart: a connection of
 * its own that died on the way (it is ended), another process on the same pages, and another store.
 */
import { randomBytes } from 'node:crypto'
import { reasonOf } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import type { Connection } from './connection.js'
import type { InvalidatorEmitter } from './events.js'

export interface Holder {
  readonly applicationName: string
  readonly pid: string
  readonly user: string
  readonly address: string
  /** What the lock is for: a queue table, or a node. */
  readonly table: string
}

export type LockAnswer =
  | { readonly kind: 'held' }
  | { readonly kind: 'own-leftover' | 'same-node' | 'other-node'; readonly holder: Holder }

/** A name for a connection, which becomes its `application_name`. */
export function newHolderName(): string {
  return `pagekeep:${randomBytes(6).toString('hex')}`
}

/** What this process and this store know of who holds the lock. */
export class KnownHolder {
  readonly #state: StoreState
  readonly #stateName: string
  readonly #emitter: InvalidatorEmitter
  #lastName: string | undefined

  /** `stateName`: the name among the store's texts. */
  constructor(state: StoreState, stateName: string, emitter: InvalidatorEmitter) {
    this.#state = state
    this.#stateName = stateName
    this.#emitter = emitter
  }

  /** To be called by whoever has got the lock, with its connection's name. */
  async becomes(name: string): Promise<LockAnswer> {
    this.#lastName = name
    try {
      await this.#state.write(this.#stateName, name)
    } catch (thrown) {
      this.#emitter.warn(
        `The state "${this.#stateName}" cannot be written, so other processes of this node are refused: ${reasonOf(thrown)}.`,
      )
    }
    return { kind: 'held' }
  }

  /** Whose lock it is, for whoever has not got it. A connection that this process has lost is ended. */
  async judge(connection: Connection, holder: Holder): Promise<LockAnswer> {
    const { applicationName } = holder
    if (applicationName === this.#lastName) {
      await endOwnLeftover(connection, holder)
      return { kind: 'own-leftover', holder }
    }
    const isSameNode = applicationName !== '' && applicationName === (await this.#state.read(this.#stateName))
    return { kind: isSameNode ? 'same-node' : 'other-node', holder }
  }
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
