/**
 * Waiting until this node, or all nodes, have evicted what lies before a position.
 *
 * This node's progress is in memory where this process reads the feed, else in the cursor beside the pages,
 * which the process that reads saves at once when a NOTIFY made it look. Other nodes' is in the table `node`.
 */
import { PagekeepError, reasonOf } from '../../../core/errors.js'
import type { InvalidatorEmitter } from '../events.js'
import type { SavedCursor } from './cursor-keeper.js'
import type { CheckedFeedOptions } from './feed-options.js'
import type { FeedWork } from './feed-work.js'
import { isPast, lifeOf, type Position } from './position.js'
import { parseSnapshot } from './snapshot.js'

export interface SettleOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number
}

export interface SettleEverywhereOptions extends SettleOptions {
  /**
   * Nodes not heard of for longer, in milliseconds, are not waited for; nor are those that were stopped in order.
   * Default 86,400,000 (a day): until then a node that died makes it reject, with its name.
   */
  readonly ignoreSilentMs?: number
}

const firstWaitMs = 5
const longestWaitMs = 200
const wakeEveryMs = 1000

export class Settle {
  readonly #options: CheckedFeedOptions
  readonly #work: FeedWork
  readonly #emitter: InvalidatorEmitter
  readonly #ring: () => void

  constructor(options: CheckedFeedOptions, work: FeedWork, emitter: InvalidatorEmitter, ring: () => void) {
    this.#options = options
    this.#work = work
    this.#emitter = emitter
    this.#ring = ring
  }

  async here(position: Position, { timeoutMs = 10_000 }: SettleOptions): Promise<void> {
    await this.#until(timeoutMs, position, (known) => this.#lagsHere(known))
  }

  async everywhere(position: Position, options: SettleEverywhereOptions): Promise<void> {
    const { timeoutMs = 10_000, ignoreSilentMs = 86_400_000 } = options
    await this.#until(timeoutMs, position, async (known) => {
      const here = await this.#lagsHere(known)
      return [...new Set([...here, ...(await this.#lagElsewhere(known, ignoreSilentMs))])]
    })
  }

  async #until(timeoutMs: number, position: Position, lagging: (known: Position) => Promise<string[]>): Promise<void> {
    if (!Number.isFinite(timeoutMs) || timeoutMs < 0) {
      throw new RangeError(`Expected timeoutMs to be a number of milliseconds, got ${String(timeoutMs)}`)
    }
    const { clock } = this.#options
    const endMs = clock.now() + timeoutMs
    let wokenAtMs = Number.NEGATIVE_INFINITY
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, waitMs * 1.5)) {
      const known = await this.#known(position)
      const lag = known === undefined ? [this.#name] : await lagging(known)
      if (lag.length === 0) return
      const nowMs = clock.now()
      if (nowMs >= endMs) throw this.#notSettled(lag, timeoutMs)
      if (nowMs - wokenAtMs >= wakeEveryMs) {
        wokenAtMs = nowMs
        await this.#wake()
      }
      await this.#pause(Math.min(waitMs, endMs - nowMs))
    }
  }

  /** A place in the log says nothing of a primary's snapshots: there, one taken now shows all that had returned. */
  async #known(position: Position): Promise<Position | undefined> {
    const { connection, source } = this.#work
    if (position.snapshot !== undefined || position.xid !== undefined || source === 'standby') return position
    if (connection === undefined || source === undefined) return undefined
    const [row] = await connection
      .query(
        'SELECT pg_current_snapshot()::text AS snapshot, (pg_current_wal_insert_lsn() >= $1::pg_lsn)::text AS is_past',
        [position.lsn],
      )
      .catch(() => [])
    return row?.is_past === 'true' && row.snapshot ? { ...position, snapshot: row.snapshot } : undefined
  }

  async #lagsHere(position: Position): Promise<string[]> {
    const reached = this.#work.applied ?? (await this.#saved())
    if (reached === undefined) return [this.#name]
    const { identity } = reached
    const { system, database, source } = identity
    if (position.place !== undefined && position.place !== `${system}/${database}`) {
      throw new PagekeepError('not-settled', 'The client is connected to another database than this invalidator.')
    }
    // Where the life is not known, numbers count only while we are connected to the server that gave them.
    const isOfThisLife =
      position.life === undefined ? this.#work.connection !== undefined : position.life === lifeOf(identity)
    if (source === 'primary' && !isOfThisLife) return [this.#name]
    return isPast(reached, source, position) ? [] : [this.#name]
  }

  async #lagElsewhere(position: Position, ignoreSilentMs: number): Promise<string[]> {
    const { connection } = this.#work
    if (connection === undefined) return []
    const rows = await connection.query(
      `SELECT name, cursor FROM ${this.#options.schema.of('node')}
        WHERE state <> 'stopped' AND seen_at > clock_timestamp() - $1::float8 * interval '1 ms' ORDER BY name`,
      [ignoreSilentMs],
    )
    return rows.flatMap(({ name, cursor }) => {
      const isReached = cursor != null && isPast({ snapshot: cursor, lowWater: '0' }, 'primary', position)
      return name == null || isReached || name === this.#work.node ? [] : [name]
    })
  }

  async #saved(): Promise<SavedCursor | undefined> {
    const saved = await this.#work.keeper.read().catch(() => undefined)
    if (saved !== undefined) parseSnapshot(saved.snapshot)
    return saved
  }

  /** Lets whoever reads, here or elsewhere, look at once. */
  async #wake(): Promise<void> {
    this.#ring()
    const { connection, source } = this.#work
    if (connection === undefined || source !== 'primary') return
    await connection.query("SELECT pg_notify($1, '')", [this.#options.schema.name]).catch((thrown: unknown) => {
      this.#emitter.warn(`The nodes could not be woken: ${reasonOf(thrown)}. They look by themselves.`)
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        unwatch()
        resolve()
      }
      const unwatch = this.#work.watch(done)
      const timer = this.#options.clock.setTimer(done, ms)
    })
  }

  get #name(): string {
    return this.#work.node ?? this.#options.node ?? '(this node)'
  }

  #notSettled(nodes: readonly string[], timeoutMs: number): PagekeepError {
    const cause = this.#emitter.lastFault
    const names = nodes.map((name) => `"${name}"`).join(', ')
    const message =
      `After ${timeoutMs} ms the change is not evicted on ${nodes.length === 1 ? 'the node' : `${nodes.length} nodes:`} ${names}. ` +
      'Pages there may be older than it.'
    return new PagekeepError('not-settled', message, { nodes, ...(cause !== undefined && { cause }) })
  }
}
