/**
 * Many writers at once: each commits one single-row UPDATE after another, prepared, of a row at random. By
 * pgbench where it is found, since it takes least from the server beside it; else by processes of Node.
 */
import { execFile, fork } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { DurableServer } from './durable-server.js'
import type { Scratch } from './scratch.js'
import { items } from './shop.js'
import type { WriterPlan, WriterReport } from './writer-child.js'

export interface WritersPlan {
  readonly table: string
  readonly writers: number
  readonly seconds: number
  /** Commits per second of all together; default: as many as go. */
  readonly rate?: number
}

export interface Writers {
  readonly kind: 'pgbench' | 'node'
  /** Resolves to commits per second, connecting not counted. */
  run(plan: WritersPlan): Promise<number>
}

export function findWriters(server: DurableServer, scratch: Scratch, withoutPgbench = false): Writers {
  const program = withoutPgbench ? undefined : findPgbench()
  return program === undefined ? nodeWriters(server, scratch) : pgbenchWriters(program, server, scratch)
}

/** In the PATH, or where Debian puts it. */
function findPgbench(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...versions.map((v) => `${debian}/${v}/bin`)]
  return folders.map((folder) => path.join(folder, 'pgbench')).find((file) => existsSync(file))
}

function pgbenchWriters(program: string, server: DurableServer, scratch: Scratch): Writers {
  const { port, user, password } = server
  return {
    kind: 'pgbench',
    run({ table, writers, seconds, rate }) {
      const script = path.join(scratch.directory, `${table}.sql`)
      writeFileSync(script, `\\set id random(1, ${items})\nUPDATE ${table} SET price = price + 1 WHERE id = :id;\n`)
      const settings = ['--no-vacuum', '--protocol=prepared', `--file=${script}`]
      const amount = [`--client=${writers}`, `--jobs=${Math.min(writers, 2)}`, `--time=${Math.ceil(seconds)}`]
      const paced = rate === undefined ? [] : [`--rate=${rate}`]
      const place = ['-h', '127.0.0.1', '-p', String(port), '-U', user, 'postgres']
      const env = { ...process.env, PGPASSWORD: password }
      return new Promise((resolve, reject) => {
        const child = execFile(program, [...settings, ...amount, ...paced, ...place], { env }, (error, out, told) => {
          const tps = /^tps = ([\d.]+)/m.exec(out)?.[1]
          if (error !== null || tps === undefined) reject(new Error(`pgbench failed: ${told.slice(0, 500)}`))
          else resolve(Number(tps))
        })
        scratch.owns(child)
      })
    },
  }
}

export function nodeWriters({ url }: DurableServer, scratch: Scratch): Writers {
  return {
    kind: 'node',
    async run({ table, writers, seconds, rate }) {
      const processes = Math.min(writers, 2)
      const reports = Array.from({ length: processes }, (_, at) => {
        const own = Math.floor(writers / processes) + (at < writers % processes ? 1 : 0)
        const plan: WriterPlan = { url, table, items, seconds, writers: own, rate: rate && (rate * own) / writers }
        return reportOf(plan, scratch)
      })
      return (await Promise.all(reports)).reduce((sum, { perSecond }) => sum + perSecond, 0)
    },
  }
}

function reportOf(plan: WriterPlan, scratch: Scratch): Promise<WriterReport> {
  const child = scratch.owns(
    fork(path.join(import.meta.dirname, 'writer-child.ts'), [JSON.stringify(plan)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    }),
  )
  return new Promise((resolve, reject) => {
    child.once('message', (report: WriterReport) => resolve(report))
    child.once('exit', (code) => reject(new Error(`A writer ended with ${code}`)))
  })
}
