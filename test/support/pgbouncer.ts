/**
 * A PgBouncer of the test's own before a test's server: on a free loopback port, in a temporary directory.
 *
 * Where pgbouncer is missing, tests that need it are skipped, visibly; with PAGEKEEP_REQUIRE_SERVERS=1, as in CI,
 * they fail instead (`mayStartPgBouncer`).
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fastDirectory } from './fast-directory.js'
import { freePort } from './free-port.js'

export interface PgBouncer {
  /** The same database, through the pooler. */
  through(connection: string): string
  stop(): Promise<void>
}

const missing = 'there is no pgbouncer. Install the Debian package "pgbouncer" to run them.'

/** Whether tests with PgBouncer are to be run; says on standard error what is missing when they are not. */
export function mayStartPgBouncer(): boolean {
  const isMissing = spawnSync('pgbouncer', ['--version']).error !== undefined
  if (!isMissing || process.env.PAGEKEEP_REQUIRE_SERVERS === '1') return true
  console.warn(`Skipping the tests with PgBouncer: ${missing}`)
  return false
}

/** Resolves when it takes connections to the server of `connection`, a superuser's connection string. */
export async function startPgBouncer(connection: string, mode: 'transaction' | 'session'): Promise<PgBouncer> {
  const server = new URL(connection)
  const directory = await mkdtemp(join(fastDirectory(), 'pagekeep-pgbouncer-'))
  const port = await freePort()
  const users = join(directory, 'users.txt')
  const config = join(directory, 'pgbouncer.ini')
  await writeFile(users, `"${server.username}" "${server.password}"\n`)
  await writeFile(
    config,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = ${mode}
server_tls_sslmode = disable
`,
  )
  // It refuses to run as root, and nobody else may read what root has written.
  const isRoot = process.getuid?.() === 0
  const nobody = 65534
  if (isRoot) for (const path of [directory, users, config]) await chown(path, nobody, nobody)
  await chmod(directory, 0o700)
  const child = spawn('pgbouncer', [config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(isRoot && { uid: nobody, gid: nobody }),
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const log: string[] = []
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`Could not start PgBouncer: ${missing}`, { cause })))
    child.once('exit', () => reject(new Error(`pgbouncer ended before it was ready:\n${log.join('\n')}`)))
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line)
      if (line.includes('process up')) resolve()
    })
  })
  return {
    through(direct) {
      const url = new URL(direct)
      url.port = String(port)
      return url.href
    },
    async stop() {
      child.kill('SIGINT')
      const isLate = setTimeout(() => child.kill('SIGKILL'), 5000)
      await exited
      clearTimeout(isLate)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
