/** `pagekeep dashboard`: a process of its own beside a listener that is another, asked by HTTP and seen in Chromium. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache, route } from 'pagekeep'
import { evictRoute, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import { DiskStore, keepJournal } from 'pagekeep/stores/disk'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mayStartBrowser, startBrowser } from '../dashboard/browser.js'
import { endAll } from '../support/end-all.js'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'
import { runCli, startCli } from './run-cli.js'

const token = 'a token for tests only'
const page = route('products/{name}.html')
const rules = [watch({ table: 'products', columns: ['price'], evicts: [evictRoute(page, { name: 'name' })] })]

let postgres: PostgresServer
let cwd: string
let database: string
const started: ChildProcess[] = []

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-cli-dashboard-'))
  database = await postgres.createDatabase()
  await query(
    database,
    "CREATE TABLE products (name text PRIMARY KEY, price integer); INSERT INTO products VALUES ('tea', 1), ('coffee', 2)",
  )
  await new FeedSchema({ rules }).install(database)
  await writeFile(
    join(cwd, 'pagekeep.config.json'),
    JSON.stringify({ connection: database, store: { directory: 'pages' }, maxLagMs: 60_000 }),
  )
  await keep('tea', 'coffee')
})

afterEach(async () => {
  await endAll(started)
  await rm(cwd, { recursive: true, force: true })
})

async function keep(...names: string[]): Promise<void> {
  const cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages') }) })
  for (const name of names) await cache.getOrRender(page.key({ name }), () => name)
  await cache.close()
}

/** Starts it, and resolves with its first line once `sign` is in what it says. */
async function start(args: readonly string[], sign: string): Promise<{ child: ChildProcess; said: () => string }> {
  const child = startCli(args, { cwd })
  started.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  await until(`"${sign}" of ${args.join(' ')}`, () => {
    if (child.exitCode !== null) throw new Error(`It ended: ${said}`)
    return said.includes(sign)
  })
  return { child, said: () => said }
}

const headers = { authorization: `Bearer ${token}` }
interface Told {
  readonly pages: number | null
  readonly lagSeconds: number | null
  readonly isSilent: boolean
  readonly nodes: readonly { readonly name: string; readonly state: string }[]
  readonly recentEvictions: readonly { readonly rules: readonly string[]; readonly keys: readonly string[] }[]
  readonly recentDooms: readonly { readonly key: string }[]
  readonly unseen: readonly string[]
  readonly historyFailed: boolean
}

async function serve(...args: string[]) {
  const { child, said } = await start(['dashboard', '--port', '0', '--token', token, '--json', ...args], '\n')
  const answer = JSON.parse(said().split('\n')[0] ?? '') as { address: string; entrance: string; allowEvict: boolean }
  const state = async () => (await (await fetch(`${answer.address}state`, { headers })).json()) as Told
  const evict = (selector: string) =>
    fetch(`${answer.address}evict`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'x-pagekeep': '1' },
      body: JSON.stringify({ selector }),
    })
  return { child, said, state, evict, ...answer }
}

describe('pagekeep dashboard', () => {
  it('tells what a listener in another process evicts, and who listens; read-only, and gone at SIGTERM', async () => {
    await start(['listen'], 'ready')
    // A listener that begins anew has emptied the store.
    await keep('tea', 'coffee')
    const shown = await serve()
    expect((await fetch(`${shown.address}state`)).status, 'without the token').toBe(401)
    await query(database, "UPDATE products SET price = 3 WHERE name = 'tea'")
    await until('the eviction is told', async () => {
      const { recentEvictions } = await shown.state()
      return recentEvictions.some(({ rules, keys }) => rules[0] === 'products' && keys[0] === 'products/tea.html')
    })
    await until('the node is told', async () => (await shown.state()).nodes.some((node) => node.state === 'listening'))
    expect(await shown.state()).toMatchObject({ isSilent: false, historyFailed: false, pages: expect.any(Number) })
    expect((await shown.state()).unseen.join()).toContain('hits, misses')
    const tree = await fetch(`${shown.address}tree?directory=products`, { headers })
    expect(await tree.json()).toMatchObject({ entries: [{ name: 'coffee.html', bytes: 6 }] })
    expect((await shown.evict('**')).status).toBe(403)
    expect(existsSync(join(cwd, 'pages/products/coffee.html'))).toBe(true)
    shown.child.kill('SIGTERM')
    const [code] = await once(shown.child, 'close')
    expect(code).toBe(0)
  })

  it('evicts where that is allowed, tells dooms of the site, and ends at Ctrl-C with 0', async () => {
    const store = new DiskStore({ directory: join(cwd, 'pages') })
    const cache = createCache({ store })
    keepJournal({ store, cache })
    const shown = await serve('--allow-evict')
    const landed = await cache.answer(page.key({ name: 'milk' }), async () => {
      expect(await (await shown.evict('products/milk.html')).json()).toMatchObject({ doomed: 1 })
      return 'milk'
    })
    expect(landed).toMatchObject({ isKept: false })
    expect((await shown.state()).recentDooms[0]?.key).toBe('products/milk.html')
    expect((await shown.state()).recentEvictions).toHaveLength(1)
    const why = JSON.parse((await runCli(['why', 'products/milk.html', '--json'], { cwd })).stdout)
    expect(why.dooms, 'and so does `why`').toMatchObject([
      { because: { why: 'call', selectors: ['products/milk.html'] } },
    ])
    await cache.close()
    shown.child.kill('SIGINT')
    const [code] = await once(shown.child, 'close')
    expect(code).toBe(0)
  })

  it('takes the feed for the history where no listener keeps a journal', async () => {
    await query(database, "UPDATE products SET price = 9 WHERE name = 'coffee'")
    const { state } = await serve()
    await until('the change is told', async () => (await state()).recentEvictions[0]?.rules[0] === 'products')
  })

  it('makes a token, says what it cannot use, and warns beyond this host', async () => {
    const { said } = await start(['dashboard', '--port', '0', '--host', '0.0.0.0'], 'Ctrl-C')
    expect(said()).toMatch(/\/\?token=[\w-]{24}\n/)
    expect(said()).toContain('plain text')
    const short = await runCli(['dashboard', '--port', '0', '--token', 'short'], { cwd })
    expect([short.code, short.stderr]).toEqual([2, expect.stringContaining('at least 12')])
    const { address } = await serve()
    const taken = await runCli(['dashboard', '--port', new URL(address).port], { cwd })
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('--port')])
    const elsewhere = await runCli(['dashboard', '--port', '0', '-C', 'misspelt'], { cwd })
    expect([elsewhere.code, elsewhere.stderr]).toEqual([3, expect.stringContaining('does not exist')])
  })
})

describe.skipIf(!mayStartBrowser())('in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(() => browser?.close())

  it('says what it cannot see, and shows the eviction of another process as it comes', async () => {
    await start(['listen'], 'ready')
    await keep('tea', 'coffee')
    const { entrance } = await serve()
    const shown = await browser.newPage()
    const complaints: string[] = []
    shown.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    shown.on('pageerror', (error) => complaints.push(error.message))
    await shown.goto(entrance)
    await shown.getByText('well, live').waitFor()
    await shown.getByText('This page is served by a process of its own.').waitFor()
    expect(await shown.getByRole('heading', { name: 'Render time' }).isVisible()).toBe(false)
    await query(database, "UPDATE products SET price = 3 WHERE name = 'tea'")
    const rows = shown.locator('#table-evictions tbody tr', { hasText: 'products/tea.html' })
    await rows.filter({ hasText: 'feed' }).waitFor()
    if (process.env.PAGEKEEP_SCREENSHOTS === '1')
      await shown.screenshot({ path: 'docs/screenshots/dashboard-command.png', fullPage: true })
    await shown.getByRole('button', { name: 'Look everything over' }).click()
    await shown
      .getByText('Its rule')
      .or(shown.getByText(/findings/))
      .first()
      .waitFor()
    expect(complaints).toEqual([])
  })
})
