/**
 * One connection to PostgreSQL, for LISTEN and for the queues, with statements strictly one after another.
 *
 * It notices its own death: a statement that is not answered in time destroys the socket, since a
 * half-open connection (a proxy, a firewall, a dead host) reports nothing by itself. All values come as
 * text: no parser that the application registered, and no local-time `Date`, stands in between.
 *
 * States: open (after `open`) → lost (`isLost`; by the server, the network, a deadline) or closed.
 */
import { Socket } from 'node:net'
import pg from 'pg'
import type { Clock } from '../../core/clock.js'
import type { PagekeepError } from '../../core/errors.js'
import { connectFailure, describePlace, type Place, unreachable } from './database-errors.js'
import type { TextRow } from './rules.js'

export interface ConnectionOptions {
  readonly config: pg.ClientConfig
  readonly applicationName: string
  readonly clock: Clock
  /** How long a connection may take to be made. */
  readonly connectTimeoutMs: number
  /** How long a statement may take; past it the connection counts as dead. */
  readonly queryTimeoutMs: number
  /** How long a transaction may stand open without a statement, before the server ends the connection. */
  readonly idleInTransactionMs: number
  /** Ends the attempt to connect. */
  readonly signal: AbortSignal
}

/**
 * - Dates as `2020-01-08`.
 * - An idle listener is not ended for being idle. That its client is dead the server notices by itself,
 *   since writers may wait for what it was about to commit: within 15 s, or 10 s where a proxy answers for it.
 * - Locks are waited for briefly: before the server would pick a deadlock's victim (1 s), we give way.
 * - Commits do not wait for the disk: a deletion that a crash of the server undoes is repeated, which is
 *   harmless, and the application's writers wait for our commits.
 */
const settings = [
  ['DateStyle', 'ISO, YMD'],
  ['idle_session_timeout', '0'],
  ['lock_timeout', '200'],
  ['synchronous_commit', 'off'],
  ['tcp_keepalives_idle', '5'],
  ['tcp_keepalives_interval', '2'],
  ['tcp_keepalives_count', '5'],
  ['tcp_user_timeout', '15000'],
] as const

// Settings that this server does not know (they came with 12 and 14) are left out. A look into pg_settings would cost
// a new connection more than all the rest of it.
const applySettings = `
  SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted(name, value)
   WHERE current_setting(name, true) IS NOT NULL`

export class Connection {
  readonly place: Place
  readonly #client: pg.Client
  readonly #socket: { destroy(): void }
  readonly #options: ConnectionOptions
  #tail: Promise<unknown> = Promise.resolve()
  #lostBy: PagekeepError | undefined
  #isClosing = false
  /** Known to be the only one on its server connection: what it prepares there is found again. */
  #isAlone = false
  #onLost: () => void = () => {}
  /** When the server last answered or notified, in milliseconds since 1970. */
  heardAtMs: number

  /** Connects; throws `database-unreachable` or `database-refused`. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options)
    await connection.#connect()
    return connection
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options
    const { config, applicationName, clock } = options
    const socket = config.stream?.() ?? new Socket()
    const client = new pg.Client({
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      ...config,
      application_name: applicationName,
      stream: () => socket,
      types: { getTypeParser: () => (value: unknown) => value } as pg.CustomTypesConfig,
    })
    this.#socket = socket
    this.#client = client
    this.place = { host: client.host, port: client.port, database: client.database, user: client.user }
    this.heardAtMs = clock.now()
    // A server that ends a connection makes two errors and an end; only the first of them counts.
    client.on('error', (error) => this.#lose(unreachable(this.#lossMessage(error.message), error)))
    client.on('end', () => this.#lose(unreachable(this.#lossMessage('it was closed'))))
  }

  get isLost(): boolean {
    return this.#lostBy !== undefined
  }

  /** Whether something that shares server connections (PgBouncer) stands in between. */
  async isPooled(): Promise<boolean> {
    const [row] = await this.query('SELECT pg_backend_pid()::text AS pid')
    const { processID } = this.#client as unknown as { processID: number | null }
    this.#isAlone = row?.pid === String(processID)
    return !this.#isAlone
  }

  /** Runs one statement after all those before it. Rejects with the server's error, or why the connection is lost. */
  query(sql: string, values: readonly unknown[] = [], timeoutMs = this.#options.queryTimeoutMs): Promise<TextRow[]> {
    return this.#inTurn({ text: sql, values: [...values] }, timeoutMs)
  }

  /** The same, planned once for all its runs, for what is asked again and again; as `query` where that is not known to hold. */
  queryOften(name: string, sql: string, values: readonly unknown[]): Promise<TextRow[]> {
    const named = this.#isAlone ? { name } : {}
    return this.#inTurn({ ...named, text: sql, values: [...values] }, this.#options.queryTimeoutMs)
  }

  /** `listener` is called once, when the connection is lost; at once when it already is. */
  onLost(listener: () => void): void {
    this.#onLost = listener
    if (this.isLost) listener()
  }

  /** `listener` is called for every NOTIFY on a channel that was listened to. It must be quick. */
  onNotify(listener: (channel: string) => void): void {
    this.#client.on('notification', ({ channel }) => {
      this.heardAtMs = this.#options.clock.now()
      listener(channel)
    })
  }

  /** Says goodbye, and hangs up when that is not answered. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    const { clock } = this.#options
    const timer = clock.setTimer(() => this.#socket.destroy(), 1000)
    await this.#client.end().catch(() => {})
    timer.cancel()
    this.#socket.destroy()
  }

  async #connect(): Promise<void> {
    const { clock, signal, connectTimeoutMs, idleInTransactionMs, applicationName } = this.#options
    const silence = `PostgreSQL does not answer at ${describePlace(this.place)} within ${connectTimeoutMs} ms. It is tried again.`
    const timer = clock.setTimer(() => this.#lose(unreachable(silence)), connectTimeoutMs)
    const abort = () => this.#lose(unreachable('The attempt to connect was ended.'))
    signal.addEventListener('abort', abort)
    try {
      if (signal.aborted) abort()
      else await this.#client.connect()
      // Once more: an application_name in a connection string would win.
      const wanted = [
        ...settings,
        ['application_name', applicationName],
        ['idle_in_transaction_session_timeout', String(idleInTransactionMs)],
      ]
      await this.query(applySettings, [wanted.map(([name]) => name), wanted.map(([, value]) => value)])
    } catch (thrown) {
      const error = this.#lostBy ?? connectFailure(thrown, this.place)
      this.#lose(error)
      throw error
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', abort)
    }
  }

  #inTurn(config: pg.QueryConfig, timeoutMs: number): Promise<TextRow[]> {
    const answer = this.#tail.then(() => this.#run(config, timeoutMs))
    this.#tail = answer.catch(() => {})
    return answer
  }

  async #run(config: pg.QueryConfig, timeoutMs: number): Promise<TextRow[]> {
    if (this.#lostBy !== undefined) throw this.#lostBy
    const { clock } = this.#options
    const timer = clock.setTimer(
      () => this.#lose(unreachable(this.#lossMessage(`it was silent for ${timeoutMs} ms`))),
      timeoutMs,
    )
    try {
      const result = await this.#client.query<Record<string, string | null>>(config)
      this.heardAtMs = clock.now()
      return result.rows
    } catch (thrown) {
      throw this.#lostBy ?? thrown
    } finally {
      timer.cancel()
    }
  }

  #lose(error: PagekeepError): void {
    if (this.#lostBy !== undefined) return
    this.#lostBy = error
    this.#socket.destroy()
    if (!this.#isClosing) this.#onLost()
  }

  #lossMessage(reason: string): string {
    return `The connection to ${describePlace(this.place)} is lost: ${reason}. It is made again.`
  }
}
