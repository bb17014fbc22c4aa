/**
 * Which node this is, and which of its processes reads the feed. A node's name is its store's: given by the
 * options, or made of the host's name and a random part and kept beside the pages. A session's advisory lock
 * on the name elects one process; the others stand by and take over when its connection ends.
 *
 * As with queues, the holder writes its connection's name beside its pages. Whoever finds the lock taken and
 * another name beside its own pages is on another store: two stores with one name would take turns, and each
 * would miss what the other read, so it is refused.
 */
import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { PagekeepError } from '../../../core/errors.js'
import type { StoreState } from '../../../core/store.js'
import type { Connection } from '../connection.js'
import type { InvalidatorEmitter } from '../events.js'
import { findHolder, type Holder, KnownHolder, type LockAnswer, newHolderName } from '../lock-holder.js'

/** The names of these among the store's texts. */
export const nodeState = 'postgres-feed-node'
export const holderState = 'postgres-feed-holder'

// Advisory locks have two numbers: these are ours ("pkfn", "pkfm"), the other is made of the names.
const lockClass = 0x706b666e
const namingClass = 0x706b666d

export class NodeLock {
  readonly #state: StoreState
  readonly #schema: string
  readonly #holder: KnownHolder

  constructor(state: StoreState, emitter: InvalidatorEmitter, schema: string) {
    this.#state = state
    this.#schema = schema
    this.#holder = new KnownHolder(state, holderState, emitter)
  }

  newName(): string {
    return newHolderName()
  }

  /** The node's name; made, once for all processes of the store, if there is none. */
  async nameNode(connection: Connection, given: string | undefined): Promise<string> {
    if (given !== undefined) return given
    const known = await this.#read(nodeState)
    if (known !== undefined) return known
    await connection.query('BEGIN')
    try {
      await connection.query('SELECT pg_advisory_xact_lock($1, $2)::text', [namingClass, numberOf(this.#schema)])
      const meanwhile = await this.#read(nodeState)
      if (meanwhile !== undefined) return meanwhile
      const name = `${hostname()}-${randomBytes(3).toString('hex')}`
      await this.#state.write(nodeState, name)
      return name
    } finally {
      await connection.query('COMMIT')
    }
  }

  /** Tries once. The lock lasts as long as the connection, whose `application_name` is `name`. */
  async tryTake(connection: Connection, name: string, node: string): Promise<LockAnswer> {
    const id = numberOf(`${this.#schema}\0${node}`)
    const [answer] = await connection.query('SELECT pg_try_advisory_lock($1, $2)::text AS taken', [lockClass, id])
    if (answer?.taken === 'true') return this.#holder.becomes(name)
    return this.#holder.judge(connection, await findHolder(connection, lockClass, id >>> 0, node))
  }

  async #read(name: string): Promise<string | undefined> {
    const text = await this.#state.read(name)
    return text === '' ? undefined : text
  }
}

/** What to tell when another store has the name. */
export function nodeTaken({ applicationName, pid, user, address, table: node }: Holder): PagekeepError {
  return new PagekeepError(
    'node-taken',
    `Another store reads the feed as the node "${node}": "${applicationName}" (pid ${pid}, user "${user}", from ${address}). ` +
      'Give each store a name of its own (the option node). If this cache directory is a copy of that one, empty it.',
    { nodes: [node] },
  )
}

/** 32 bits of a text, signed as lock numbers are. */
function numberOf(text: string): number {
  return createHash('sha256').update(text).digest().readInt32BE(0)
}
