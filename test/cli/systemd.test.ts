/**
 * The units of examples/systemd judged by systemd's own verifier, and what systemd is told, through its own program, as a
 * socket like its own hears it. systemd itself need not run; where its programs or Python are missing, this is skipped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../support/postgres.js'
import { startCli } from './run-cli.js'

const examples = resolve(import.meta.dirname, '../../examples/systemd')
const isThere = (program: string) => spawnSync(program, ['--version']).status === 0

function may(...programs: string[]): boolean {
  const missing = programs.filter((program) => !isThere(program))
  if (missing.length > 0) console.warn(`Skipping a test with systemd: there is no ${missing.join(', ')}.`)
  return missing.length === 0
}

describe('examples/systemd', () => {
  it.skipIf(!may('systemd-analyze'))('has units that systemd finds nothing wrong with', async () => {
    const units = (await readdir(examples)).filter((name) => /\.(service|timer)$/.test(name))
    expect(units).toHaveLength(3)
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...units.map((name) => join(examples, name))], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

// Node has no datagram sockets of the unix domain.
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)`

describe.skipIf(!may('systemd-notify', 'python3'))('pagekeep listen under a socket like systemd’s', () => {
  let postgres: PostgresServer
  let cwd: string
  const started: ChildProcess[] = []
  beforeAll(async () => {
    postgres = await startPostgres()
    cwd = await mkdtemp(join(tmpdir(), 'pagekeep-systemd-'))
  })
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    await postgres?.stop()
    await rm(cwd, { recursive: true, force: true })
  })

  it('says that it is ready, lives, reloads and stops', async () => {
    const database = await postgres.createDatabase()
    await new FeedSchema().install(database)
    const config = { connection: database, store: { directory: 'pages' } }
    await writeFile(join(cwd, 'pagekeep.config.json'), JSON.stringify(config))
    const socket = join(cwd, 'socket')
    const heard = spawn('python3', ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    started.push(heard)
    let told = ''
    heard.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text
    })
    const until = async (text: string) => {
      const deadline = Date.now() + 150_000
      while (!told.includes(text)) {
        if (Date.now() > deadline) throw new Error(`It was not told ${text}, but:\n${told}`)
        await delay(25)
      }
    }
    await until('bound')
    const daemon = startCli(['listen'], { cwd, env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' } })
    started.push(daemon)
    await until('READY=1')
    expect(told).toContain(`MAINPID=${daemon.pid}`)
    await until('WATCHDOG=1')
    told = ''
    daemon.kill('SIGHUP')
    await until('RELOADING=1')
    await until('READY=1')
    daemon.kill('SIGTERM')
    await until('STOPPING=1')
    if (daemon.exitCode === null) await once(daemon, 'close')
    expect(daemon.exitCode).toBe(0)
  })
})
