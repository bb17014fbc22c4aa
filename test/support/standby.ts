/**
 * A hot standby that streams from a test's server: a copy of its data directory, taken between
 * `pg_backup_start` and `pg_backup_stop`, on a port of its own. The programs that come with the npm package have
 * no `pg_basebackup`; a copy of the directory is what that makes, too.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fastDirectory } from './fast-directory.js'
import { freePort } from './free-port.js'
import { connect, query } from './postgres.js'

export interface StandbyServer {
  readonly port: number
  /** For the superuser of the primary; of the database `postgres` unless another is named. */
  connectionString(database?: string): string
  /** Resolves when everything that the primary has written by now can be read here. */
  caughtUp(): Promise<void>
  /** Makes it a primary, on a new timeline, and waits until it takes writes. */
  promote(): Promise<void>
  /** Stops the server and removes its data. */
  stop(): Promise<void>
}

/** Starts a standby of the server at `primary`, a superuser's connection string. Takes two seconds or so. */
export async function startStandby(primary: string): Promise<StandbyServer> {
  const source = new URL(primary)
  const directory = await mkdtemp(join(fastDirectory(), 'pagekeep-standby-'))
  const port = await freePort()
  const flags = await copyData(primary, directory)
  const info = `host=${source.hostname} port=${source.port} user=${source.username} password=${source.password}`
  await writeFile(join(directory, 'standby.signal'), '')
  await writeFile(join(directory, 'postgresql.auto.conf'), `primary_conninfo = '${info}'\n`)
  const { uid, gid } = await giveTo(directory, flags.owner)
  const child = spawn(flags.program, ['-D', directory, '-p', String(port), ...flags.settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(process.getuid?.() === 0 && { uid, gid }),
  })
  let log = ''
  child.stderr?.on('data', (bytes) => {
    log = `${log}${bytes}`.slice(-4000)
  })
  const connectionString = (database = 'postgres') => {
    const url = new URL(primary)
    url.port = String(port)
    url.pathname = `/${database}`
    return url.href
  }
  const stop = async () => {
    await end(child)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await until(`it accepts connections:\n${log}`, () =>
      query(connectionString(), 'SELECT 1').then(
        () => true,
        () => false,
      ),
    )
  } catch {
    await stop()
    throw new Error(`The standby did not start on port ${port}:\n${log}`)
  }
  return {
    port,
    connectionString,
    async caughtUp() {
      const [at] = await query(primary, 'SELECT pg_current_wal_insert_lsn() AS lsn')
      // The end of the log can lie past the header of a page that has no record yet; one more makes it certain.
      await query(primary, "SELECT pg_logical_emit_message(false, 'pagekeep', 'tick')")
      await query(primary, 'SELECT pg_current_xact_id()')
      await until('it has replayed', async () => {
        const [row] = await query(
          connectionString(),
          `SELECT pg_last_wal_replay_lsn() >= '${at?.lsn}'::pg_lsn AS is_there`,
        )
        return row?.is_there === true
      })
    },
    async promote() {
      await query(connectionString(), 'SELECT pg_promote()')
      await until('it takes writes', async () => {
        const [row] = await query(connectionString(), 'SELECT pg_is_in_recovery() AS is_standby')
        return row?.is_standby === false
      })
    },
    stop,
  }
}

interface Flags {
  readonly program: string
  readonly settings: string[]
  readonly owner: string
}

/** Copies the data while the server runs; answers how it was started. */
async function copyData(primary: string, directory: string): Promise<Flags> {
  const client = await connect(primary)
  try {
    const shown = async (name: string) => String((await client.query(`SHOW ${name}`)).rows[0]?.[name])
    const from = await shown('data_directory')
    const [program = ''] = (await readFile(join(from, 'postmaster.opts'), 'utf8')).split(' ')
    await client.query("SELECT pg_backup_start('standby', true)")
    await copyTree(from, directory)
    const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop(false)')
    // The log since the start is fetched from the primary, which keeps it: its own copy may be torn.
    await writeFile(join(directory, 'backup_label'), rows[0]?.labelfile)
    const names = [
      'listen_addresses',
      'unix_socket_directories',
      'fsync',
      'max_connections',
      'max_prepared_transactions',
    ]
    const settings: string[] = []
    for (const name of names) settings.push('-c', `${name}=${await shown(name)}`)
    return { program: program.replaceAll('"', ''), settings, owner: from }
  } finally {
    await client.end()
  }
}

/** Files may go while they are copied: the log that is replayed makes that good. */
async function copyTree(from: string, to: string): Promise<void> {
  const left = new Set(['postmaster.pid', 'postmaster.opts', 'pg_replslot', 'pg_stat_tmp', 'pgsql_tmp'])
  await cp(from, to, {
    recursive: true,
    filter: async (path) => {
      if (left.has(path.slice(from.length + 1))) return false
      const isThere = await lstat(path).then(
        () => true,
        () => false,
      )
      return isThere
    },
  })
  for (const name of ['pg_replslot', 'pg_stat_tmp']) await mkdir(join(to, name), { recursive: true })
}

/** PostgreSQL wants its data to belong to whom it runs as. */
async function giveTo(directory: string, like: string): Promise<{ uid: number; gid: number }> {
  const { uid, gid, mode } = await stat(like)
  if (process.getuid?.() === 0) {
    await chown(directory, uid, gid)
    for (const name of await readdir(directory, { recursive: true })) await chown(join(directory, name), uid, gid)
  }
  await chmod(directory, mode & 0o777)
  return { uid, gid }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // Fast: connections are ended, not waited for.
  child.kill('SIGINT')
  await ended
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 120_000
  while (!(await isTrue())) {
    if (Date.now() > endMs) throw new Error(`Waited for thirty seconds until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
