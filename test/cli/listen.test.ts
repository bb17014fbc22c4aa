import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCache, route } from 'pagekeep'
import { evictRoute, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { endAll } from '../support/end-all.js'
import { connect, type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'
import { cleanEnvironment, runCli, startCli } from './run-cli.js'

let postgres: PostgresServer
let cwd: string
let database: string
const started: ChildProcess[] = []

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

const page = route('products/{name}.html')
const rules = [watch({ table: 'products', columns: ['price'], evicts: [evictRoute(page, { name: 'name' })] })]

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-listen-'))
  database = await postgres.createDatabase()
  await query(database, 'CREATE TABLE products (name text PRIMARY KEY, price integer)')
  await query(database, "INSERT INTO products SELECT 'p' || n, n FROM generate_series(1, 600) AS n")
  await new FeedSchema({ rules }).install(database)
  await writeConfig()
})

afterEach(async () => {
  await endAll(started)
  await rm(cwd, { recursive: true, force: true })
})

const writeConfig = (more: object = {}) =>
  writeFile(
    join(cwd, 'pagekeep.config.json'),
    JSON.stringify({ connection: database, store: { directory: 'pages' }, ...more }),
  )

class Daemon {
  output = ''
  constructor(readonly child: ChildProcess) {
    started.push(child)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
  }

  said(text: string, times = 1): Promise<void> {
    return until(`"${text}" in:\n${this.output}`, () => this.output.split(text).length > times)
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'close')
    return this.child.exitCode
  }
}

const listen = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  new Daemon(startCli(['listen', ...args], { cwd, env }))

async function keep(...names: string[]): Promise<void> {
  const cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages') }) })
  for (const name of names) await cache.getOrRender(page.key({ name }), () => name)
  await cache.close()
}

const isKept = (name: string) => existsSync(join(cwd, 'pages', page.key({ name })))
const raise = (where: string) => query(database, `UPDATE products SET price = price + 1 WHERE ${where}`)

describe('pagekeep listen', () => {
  it('evicts what changes, answers for its health, and ends in order on SIGTERM', async () => {
    const daemon = listen(['--health', '0', '--pid-file', 'pid', '--health-file', 'health.json'])
    await daemon.said('ready')
    const [, address = ''] = /answered at (\S+)/.exec(daemon.output) ?? []
    await keep('p1', 'p2')
    await raise("name = 'p1'")
    await until('p1 is evicted', () => !isKept('p1'))
    expect(isKept('p2')).toBe(true)
    const health = await fetch(address)
    expect(health.status).toBe(200)
    expect(await health.json()).toMatchObject({ isWell: true, state: 'listening', removed: 1, droppedLogLines: 0 })
    expect(JSON.parse(await readFile(join(cwd, 'health.json'), 'utf8'))).toMatchObject({ pid: daemon.child.pid })
    expect(await readFile(join(cwd, 'pid'), 'utf8')).toBe(`${daemon.child.pid}\n`)

    const second = listen(['--pid-file', 'pid'])
    expect(await second.ended()).toBe(2)
    expect(second.output).toContain('is running')

    daemon.child.kill('SIGTERM')
    expect(await daemon.ended()).toBe(0)
    expect(daemon.output).toContain('stopped')
    expect(existsSync(join(cwd, 'pid'))).toBe(false)
  })

  it("keeps the web server's links while it hears, lets them run out, and removes them at its end", async () => {
    await writeConfig({ maxLagMs: 4000, listen: { switch: 'links' } })
    const daemon = listen()
    await daemon.said('ready')
    const links = () => readdir(join(cwd, 'links')).catch((): string[] => [])
    await until('there are links', async () => (await links()).length > 0)
    const [first = ''] = await links()
    expect(await readlink(join(cwd, 'links', first))).toBe(join(cwd, 'pages'))
    daemon.child.kill('SIGSTOP')
    const nowIsLinked = async () => (await links()).includes(String(Math.floor(Date.now() / 1000)))
    await until('no link of this second is left', async () => !(await nowIsLinked()))
    daemon.child.kill('SIGCONT')
    await until('there is one again', nowIsLinked)
    daemon.child.kill('SIGTERM')
    expect(await daemon.ended()).toBe(0)
    expect(await links()).toEqual([])
  })

  it('notes down beside the pages what it evicted, and why', async () => {
    const daemon = listen()
    await daemon.said('ready')
    await keep('p1')
    await raise("name = 'p1'")
    await until('p1 is evicted', () => !isKept('p1'))
    const why = async () => JSON.parse((await runCli(['why', 'products/p1.html', '--json'], { cwd })).stdout)
    await until('it is in the journal', async () => (await why()).journal[0]?.why === 'feed')
    const began = { why: 'emptied', selectors: ['**'] }
    expect((await why()).journal).toMatchObject([{ rules: ['products'], pid: daemon.child.pid }, began])
  })

  it('remembers for `why` which row of a queue evicted a page, which the queue forgets', async () => {
    await query(database, 'CREATE TABLE cache_clearing_products (id serial PRIMARY KEY, product text NOT NULL)')
    const evicts = [{ route: page.template, columns: { name: 'product' } }]
    const rules = [{ channel: 'product_updated', queue: 'cache_clearing_products', evicts }]
    await writeConfig({ queues: { rules, listenFor: false } })
    const untold = await runCli(['why', 'products/p1.html'], { cwd })
    expect(untold.stdout).toContain('keepJournal()')
    const daemon = listen()
    await daemon.said('ready')
    await keep('p1')
    await query(database, "INSERT INTO cache_clearing_products (product) VALUES ('p1'); NOTIFY product_updated")
    await until('p1 is evicted', () => !isKept('p1'))
    const told = async () => (await runCli(['why', 'products/p1.html'], { cwd })).stdout
    await until('the row is told', async () => (await told()).includes('cache_clearing_products#1 product=p1 (queue)'))
    expect(await told()).toMatch(/evicted {3}.* ago .* by the row cache_clearing_products#1/)
  })

  it('says that it is not well while the database is down, and goes on when it is back', async () => {
    const daemon = listen(['--health', '0'])
    await daemon.said('ready')
    const [, address = ''] = /answered at (\S+)/.exec(daemon.output) ?? []
    await postgres.restart()
    await until('it is well again', async () => (await fetch(address)).status === 200 && daemon.output.includes('gone'))
    await keep('p1')
    await raise("name = 'p1'")
    await until('p1 is evicted', () => !isKept('p1'))
  })

  it('reads the config again on SIGHUP, and goes on with the one before when that is wrong', async () => {
    const daemon = listen()
    await daemon.said('ready')
    await writeConfig({ stroe: {} })
    daemon.child.kill('SIGHUP')
    await daemon.said('the one before goes on')
    expect(daemon.output).toContain('did you mean "store"')
    await keep('p1')
    await raise("name = 'p1'")
    await until('p1 is evicted', () => !isKept('p1'))

    await writeConfig({ store: { directory: 'elsewhere' } })
    daemon.child.kill('SIGHUP')
    await daemon.said('the config was read again')
    await until('the other directory is used', () => existsSync(join(cwd, 'elsewhere', '.pagekeep')))
  })

  it('is seen by doctor and status when it is stopped in its tracks, and when it goes on', async () => {
    const daemon = listen()
    await daemon.said('ready')
    const verdict = async () => {
      const { stdout } = await runCli(['doctor', '--json', '--max-lag', '6'], { cwd })
      const { findings } = JSON.parse(stdout) as { findings: { code: string; level: string; message: string }[] }
      return findings.find(({ code }) => code === 'listener')
    }
    await until('it is heard', async () => (await verdict())?.level === 'ok')
    daemon.child.kill('SIGSTOP')
    await until('it is missed', async () => (await verdict())?.level === 'fail')
    expect((await verdict())?.message).toContain('last heard of')
    const status = JSON.parse((await runCli(['status', '--json'], { cwd })).stdout)
    expect(status.silentMs).toBeGreaterThan(6000)
    daemon.child.kill('SIGCONT')
    await until('it is heard again', async () => (await verdict())?.level === 'ok')
  })

  it('writes one JSON document a line with --log json', async () => {
    const daemon = listen(['--log', 'json'])
    await daemon.said('"message":"ready"')
    daemon.child.kill('SIGINT')
    expect(await daemon.ended()).toBe(0)
    const lines = daemon.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.at(-1)).toMatchObject({ level: 'info', message: 'stopped', time: expect.any(String) })
  })

  it('tells systemd when it is ready, that it lives, and when it stops', async () => {
    const bin = join(cwd, 'bin')
    await mkdir(bin)
    await writeFile(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${join(cwd, 'told')}\n`)
    await chmod(join(bin, 'systemd-notify'), 0o755)
    const daemon = listen([], {
      NOTIFY_SOCKET: '/nowhere',
      WATCHDOG_USEC: '1000000',
      PATH: `${bin}:${process.env.PATH}`,
    })
    await daemon.said('ready')
    const told = () => readFile(join(cwd, 'told'), 'utf8').catch(() => '')
    await until('the watchdog is told', async () => (await told()).includes('WATCHDOG=1'))
    expect(await told()).toContain(`--pid=${daemon.child.pid} --ready`)
    daemon.child.kill('SIGTERM')
    await daemon.ended()
    expect(await told()).toContain('STOPPING=1')
  })
})

describe('a stdout that nobody reads', () => {
  // A shell's pipe, since Node gives its children sockets; `sleep` never reads.
  const unread = (program: string, more = '') =>
    new Daemon(
      spawn('sh', ['-c', `${program} | { echo $$ > reader; exec sleep 600; }${more}`], {
        cwd,
        env: cleanEnvironment(),
        stdio: 'ignore',
        detached: true,
      }),
    )
  const endGroup = async ({ child }: Daemon) => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    await until('it is over', () => child.exitCode !== null || child.signalCode !== null)
  }
  const tsx = fileURLToPath(import.meta.resolve('tsx'))
  const node = `'${process.execPath}' --import '${tsx}'`

  it('holds up no eviction: lines are dropped and counted', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const daemon = unread(`${node} '${main}' listen --log json --log-level debug --health-file health.json`)
    try {
      const health = async () => JSON.parse(await readFile(join(cwd, 'health.json'), 'utf8').catch(() => '{}'))
      await until('it listens', async () => (await health()).state === 'listening')
      // Each statement evicts 600 pages, which is more than a pipe holds after a few of them.
      const client = await connect(database)
      await until('lines are dropped', async () => {
        await client.query('UPDATE products SET price = price + 1')
        return (await health()).droppedLogLines > 0
      })
      await client.end()
      await keep('p1', 'p2')
      await raise("name IN ('p1', 'p2')")
      await until('p1 and p2 are evicted', () => !isKept('p1') && !isKept('p2'))
    } finally {
      await endGroup(daemon)
    }
  })

  it('is neither waited for by the writer of the daemon nor kept in memory, as by those of Node', async () => {
    const writer = fileURLToPath(new URL('line-writer-process.ts', import.meta.url))
    const children = ['daemon', 'stdout', 'sync'].map((how) => unread(`${node} '${writer}' ${how} ${how}`))
    try {
      for (const how of ['daemon', 'stdout']) await until(`${how} is through`, () => existsSync(join(cwd, how)))
      await until('the one that waits has begun', () => existsSync(join(cwd, 'sync.begun')))
      const said = async (how: string) => JSON.parse(await readFile(join(cwd, how), 'utf8'))
      expect((await said('daemon')).dropped).toBeGreaterThan(900)
      expect((await said('stdout')).held).toBeGreaterThan(900_000)
      expect(existsSync(join(cwd, 'sync'))).toBe(false)
    } finally {
      for (const child of children) await endGroup(child)
    }
  })
})
