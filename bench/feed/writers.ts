/**
 * Many writers at once: each commits one single-row UPDATE after another, prepared, of a row at random. By
 * pgbench where it is found, since it takes least from the server beside it; else by processes of Node.
 *
 * A group of writers connects once and is then stopped and continued by signals, so that a round begins with
 * connections that are warm, as a site's are. What they commit is counted in the table itself.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { DurableServer } from './durable-server.js'
import type { Scratch } from './scratch.js'
import { items } from './shop.js'
import type { WriterPlan } from './writer-child.js'

export interface WritersPlan {
  readonly table: string
  readonly writers: number
  /** Commits per second of all together; default: as many as go. */
  readonly rate?: number
}

export interface WriterGroup {
  pause(): void
  resume(): void
  /** Ends them, at once. */
  stop(): void
}

export interface Writers {
  readonly kind: 'pgbench' | 'node'
  /** They connect, and write until they are paused. */
  start(plan: WritersPlan): WriterGroup
}

export function findWriters(server: DurableServer, scratch: Scratch, withoutPgbench: boolean): Writers {
  const program = withoutPgbench ? undefined : findPgbench()
  return {
    kind: program === undefined ? 'node' : 'pgbench',
    start(plan) {
      const children =
        program === undefined ? forkWriters(server, plan) : [spawnPgbench(program, server, scratch, plan)]
      return groupOf(children.map((child) => scratch.owns(child)))
    },
  }
}

/** In the PATH, or where Debian puts it. */
function findPgbench(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((v) => `${debian}/${v}/bin`), ...(process.env.PATH ?? '').split(path.delimiter)]
  return folders.map((folder) => path.join(folder, 'pgbench')).find((file) => existsSync(file))
}

function spawnPgbench(program: string, server: DurableServer, scratch: Scratch, plan: WritersPlan): ChildProcess {
  const { table, writers, rate } = plan
  const script = path.join(scratch.directory, `${table}.sql`)
  writeFileSync(script, `\\set id random(1, ${items})\nUPDATE ${table} SET price = price + 1 WHERE id = :id;\n`)
  const day = 86_400
  const settings = ['--no-vacuum', '--protocol=prepared', `--file=${script}`, `--client=${writers}`, `--time=${day}`]
  const threads = [`--jobs=${Math.min(writers, 2)}`, ...(rate === undefined ? [] : [`--rate=${rate}`])]
  const place = ['-h', '127.0.0.1', '-p', String(server.port), '-U', server.user, 'postgres']
  const env = { ...process.env, PGPASSWORD: server.password }
  return spawn(program, [...settings, ...threads, ...place], { env, stdio: ['ignore', 'ignore', 'pipe'] })
}

function forkWriters({ url }: DurableServer, { table, writers, rate }: WritersPlan): ChildProcess[] {
  const processes = Math.min(writers, 2)
  return Array.from({ length: processes }, (_, at) => {
    const own = Math.floor(writers / processes) + (at < writers % processes ? 1 : 0)
    const plan: WriterPlan = { url, table, items, writers: own, rate: rate && (rate * own) / writers }
    const file = path.join(import.meta.dirname, 'writer-child.ts')
    return fork(file, [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  })
}

function groupOf(children: readonly ChildProcess[]): WriterGroup {
  let isStopped = false
  const signal = (name: NodeJS.Signals) => {
    for (const child of children) child.kill(name)
  }
  for (const child of children) {
    let told = ''
    child.stderr?.on('data', (chunk) => {
      told = (told + String(chunk)).slice(0, 2000)
    })
    child.once('exit', (code) => {
      if (!isStopped) throw new Error(`Writers ended with ${code}: ${told}`)
    })
  }
  return {
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    stop() {
      isStopped = true
      signal('SIGKILL')
    },
  }
}
