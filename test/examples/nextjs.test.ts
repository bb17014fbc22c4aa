/**
 * examples/nextjs, built and started, with a listener as a process of its own and a real PostgreSQL. Skipped, visibly,
 * where Next is not installed in it (`npm ci` there); with PAGEKEEP_REQUIRE_SERVERS=1, as in CI, it fails instead.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanEnvironment } from '../cli/run-cli.js'
import { endAll } from '../support/end-all.js'
import { freePort } from '../support/free-port.js'
import { unpackInto } from '../support/packed.js'
import { connect, type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'

const site = resolve(import.meta.dirname, '../../examples/nextjs')
const next = 'node_modules/next/dist/bin/next'
const pagekeep = 'node_modules/pagekeep/dist/cli/main.js'

function mayRun(): boolean {
  if (existsSync(join(site, next)) || process.env.PAGEKEEP_REQUIRE_SERVERS === '1') return true
  console.warn('Skipping examples/nextjs: run `npm ci` in it first.')
  return false
}

// The site reads products through a view that waits, after it has read, for whoever holds this lock.
const slow = `
  CREATE SCHEMA slow;
  CREATE FUNCTION slow.wait(int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN $1; END $$;
  CREATE VIEW slow.products AS SELECT id, name, slow.wait(price) AS price FROM public.products;`

let postgres: PostgresServer
let directory: string
let database: string
let origin: string
const started: ChildProcess[] = []
const told: string[] = []

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: site, env, stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => told.push(text))
  return child
}

/** With what the programs said, where it does not come. */
const comes = (what: string, isSo: () => boolean | Promise<boolean>) => until(what, isSo, () => told.join(''))

async function ends(child: ChildProcess): Promise<void> {
  if (child.exitCode === null) await once(child, 'close')
  expect(child.exitCode, told.join('')).toBe(0)
}

describe.skipIf(!mayRun())('examples/nextjs', () => {
  beforeAll(async () => {
    await unpackInto(join(site, 'node_modules/pagekeep'))
    postgres = await startPostgres()
    database = await postgres.createDatabase()
    await query(database, readFileSync(join(site, 'schema.sql'), 'utf8'))
    await query(database, slow)
    directory = await mkdtemp(join(tmpdir(), 'pagekeep-nextjs-'))
    const port = String(await freePort())
    origin = `http://127.0.0.1:${port}`
    const common = {
      PAGEKEEP_DIRECTORY: join(directory, 'cache'),
      NEXT_TELEMETRY_DISABLED: '1',
      NODE_ENV: 'production',
    }
    const listening = cleanEnvironment({ ...common, DATABASE_URL: database })
    const serving = cleanEnvironment({ ...common, DATABASE_URL: `${database}?options=-c%20search_path%3Dslow` })
    // A build, and whatever Next finds out about it, of no other run.
    await rm(join(site, '.next'), { recursive: true, force: true })
    await Promise.all([ends(start([pagekeep, 'install', '--yes'], listening)), ends(start([next, 'build'], serving))])
    start([pagekeep, 'listen'], listening)
    await comes('the listener is ready', () => told.join('').includes('ready'))
    start([next, 'start', '-p', port, '-H', '127.0.0.1'], serving)
    await comes('the site is up', () =>
      fetch(`${origin}/nothing`).then(
        () => true,
        () => false,
      ),
    )
  }, 300_000)

  afterAll(async () => {
    await endAll(started)
    await postgres?.stop()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  const ask = async (id: number) => {
    const answer = await fetch(`${origin}/products/${id}`)
    const text = await answer.text()
    const [, price = ''] = /costs (\d+)/.exec(text) ?? []
    const [, rendered = ''] = /rendered (\d+)/.exec(text) ?? []
    return { status: answer.status, from: answer.headers.get('x-nextjs-cache'), price, rendered }
  }
  const raise = (id: number) => query(database, `UPDATE products SET price = price + 1 WHERE id = ${id}`)
  /** What was committed before is evicted: the listener has noted it down. */
  const journal = () => readFileSync(join(directory, 'cache/.pagekeep/journal/current'), 'utf8')
  const evictions = (tag: string) => journal().split(`"tag:${tag}"`).length

  it('keeps a page until its row changes, and that of another row meanwhile', async () => {
    const first = await ask(1)
    expect(first).toMatchObject({ status: 200, from: 'MISS', price: '4' })
    const other = await ask(2)
    await comes('both are kept', async () => (await ask(1)).from === 'HIT' && (await ask(2)).from === 'HIT')
    expect(await ask(1)).toEqual({ ...first, from: 'HIT' })
    await raise(1)
    await comes('the page changes', async () => (await ask(1)).price === '5')
    const fresh = await ask(1)
    expect(await ask(1)).toEqual({ ...fresh, from: 'HIT' })
    expect(await ask(2)).toEqual({ ...other, from: 'HIT' })
  })

  it('does not keep a page whose row changes while it is rendered', async () => {
    await raise(2)
    await comes('it is evicted', () => evictions('product:2') > 1)
    const holder = await connect(database)
    await holder.query('SELECT pg_advisory_lock(7)')
    const before = evictions('product:2')
    const visitor = ask(2)
    await comes('the render has read, and waits', async () => {
      const rows = await query(
        database,
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted",
      )
      return rows.length > 0
    })
    await raise(2)
    await comes('the change is evicted', () => evictions('product:2') > before)
    await holder.query('SELECT pg_advisory_unlock(7)')
    await holder.end()
    expect((await visitor).price, 'who asked before is told what was').toBe('7')
    expect((await ask(2)).price).toBe('8')
    expect(await ask(2)).toMatchObject({ price: '8', from: 'HIT' })
  })
})
