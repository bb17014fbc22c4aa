import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache, type PageCache, route } from 'pagekeep'
import { FeedInvalidator } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect, type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { runCli, startCli } from './run-cli.js'

let postgres: PostgresServer
let cwd: string
let database: string
let cache: PageCache
let server: Server
let origin: string
const asked: string[] = []

const page = route('products/{name}.html')

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-site-'))
  database = await postgres.createDatabase()
  await query(
    database,
    "CREATE TABLE products (name text PRIMARY KEY, price integer); INSERT INTO products VALUES ('tea', 1)",
  )
  cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages') }) })
  asked.length = 0
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/sitemap.xml')
      response.end(`<urlset><url><loc>${origin}/a?b=1&amp;c=2</loc></url><url><loc>${origin}/d</loc></url></urlset>`)
    else if (request.url === '/broken') response.writeHead(500).end()
    else response.end('a page')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await writeFile(
    join(cwd, 'pagekeep.config.json'),
    JSON.stringify({
      connection: database,
      store: { directory: 'pages' },
      routes: [page.template],
      rules: [
        {
          watch: 'products',
          columns: ['price'],
          evicts: [{ route: page.template, columns: { name: 'name' } }, { tag: 'product:{name}' }],
        },
      ],
      site: { url: origin },
    }),
  )
})

afterEach(async () => {
  await cache.close()
  server.closeAllConnections()
  server.close()
  await rm(cwd, { recursive: true, force: true })
})

const pagekeep = (...args: string[]) => runCli(args, { cwd })
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await pagekeep(...args, '--json')
  return { code, answer: stdout === '' ? undefined : JSON.parse(stdout), stderr }
}

describe('install and uninstall', () => {
  it('say what they would do, do it when told to, and leave no trace', async () => {
    const dry = await json('install', '--dry-run')
    expect(dry.answer.steps).toContain('triggers on products')
    const unasked = await pagekeep('install')
    expect(unasked.code).toBe(2)
    expect(unasked.stderr).toContain('--yes')
    expect((await query(database, "SELECT FROM pg_namespace WHERE nspname = 'pagekeep'")).length).toBe(0)

    const installed = await pagekeep('install', '--yes')
    expect(installed.code).toBe(0)
    expect(installed.stderr).toContain('triggers on products')
    expect((await query(database, 'SELECT FROM pg_trigger WHERE NOT tgisinternal')).length).toBe(4)

    const would = await json('uninstall', '--dry-run')
    expect(would.answer.removes).toHaveLength(5)
    expect((await pagekeep('uninstall', '--yes')).code).toBe(0)
    expect((await query(database, 'SELECT FROM pg_trigger WHERE NOT tgisinternal')).length).toBe(0)
    expect((await json('uninstall', '--yes')).answer.removes).toEqual([])
  })

  it('sql prints what can be run by hand, and the rights of a role', async () => {
    const { stdout } = await pagekeep('sql')
    await query(database, stdout)
    await query(database, 'CREATE ROLE cli_listener')
    await query(database, (await pagekeep('sql', '--role', 'cli_listener')).stdout)
    expect(
      (await query(database, "SELECT has_schema_privilege('cli_listener', 'pagekeep', 'USAGE') AS may"))[0],
    ).toEqual({ may: true })
  })

  it('ends with 3 when the database is not there', async () => {
    const { code, stderr } = await pagekeep('install', '--yes', '--database', 'postgres://127.0.0.1:1/none')
    expect(code).toBe(3)
    expect(stderr).toContain('(database-unreachable)')
  })
})

describe('why and status', () => {
  it('name the change that evicted a page last: transaction, table, selector, time', async () => {
    await pagekeep('install', '--yes')
    const invalidator = new FeedInvalidator({ connection: database, target: cache })
    await invalidator.start()
    const keep = () =>
      cache.getOrRender(page.key({ name: 'tea' }), (context) => {
        context.tag('product:tea')
        return 'tea'
      })
    await keep()
    const before = await json('why', 'products/tea.html')
    expect(before).toMatchObject({
      code: 0,
      answer: {
        page: { tags: ['product:tea'], bytes: 3 },
        routes: [page.template],
        rules: ['products'],
        evictions: [],
      },
    })

    const client = await connect(database)
    await client.query('BEGIN')
    await client.query('UPDATE products SET price = 2')
    const { rows } = await client.query('SELECT pg_current_xact_id()::text AS xid')
    await client.query('COMMIT')
    await invalidator.settled(client)
    await client.end()
    const gone = await json('why', 'products/tea.html')
    expect(gone.code).toBe(1)
    // Its tags are remembered as well; the rows of one transaction have an order of their own.
    expect(gone.answer.tags).toEqual(['product:tea'])
    const change = { xid: rows[0].xid, atMs: expect.any(Number), table: 'products' }
    expect(gone.answer.evictions).toHaveLength(2)
    expect(gone.answer.evictions).toContainEqual({ ...change, selector: 'products/tea.html' })
    expect(gone.answer.evictions).toContainEqual({ ...change, selector: 'tag:product:tea' })
    await keep()
    const again = await json('why', 'products/tea.html')
    expect(again.answer.evictions.map(({ selector }: { selector: string }) => selector).sort()).toEqual([
      'products/tea.html',
      'tag:product:tea',
    ])
    const text = await pagekeep('why', 'products/tea.html')
    expect(text.stdout).toMatch(new RegExp(`transaction ${rows[0].xid} changed products`))

    const status = await json('status')
    expect(status).toMatchObject({
      code: 0,
      answer: { pages: 1, bytes: 3, isHeard: true, nodes: [{ state: 'listening' }] },
    })
    await invalidator.stop()
  })

  it('status says that a listener was never heard, by its exit code too', async () => {
    await cache.getOrRender('a', () => 'a')
    const { code, answer } = await json('status')
    expect({ code, isHeard: answer.isHeard, pages: answer.pages }).toEqual({ code: 1, isHeard: false, pages: 1 })
    expect(answer.problem).toContain('pagekeep')
  })

  it('status --watch goes on until Ctrl-C', async () => {
    await cache.getOrRender('a', () => 'a')
    const child = startCli(['status', '--watch', '--interval', '1', '--json'], { cwd })
    let output = ''
    child.stdout?.setEncoding('utf8')
    for await (const text of child.stdout ?? []) {
      output += text
      if (output.split('\n').length > 2) child.kill('SIGINT')
    }
    expect(JSON.parse(output.split('\n')[1] ?? '')).toMatchObject({ pages: 1 })
    expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(130)
  })
})

describe('warm', () => {
  it('asks for what is named, in a list and in a sitemap, and goes on where it was stopped', async () => {
    await writeFile(join(cwd, 'list'), '# ours\n/e\n\n/d\n')
    const args = [
      'warm',
      '/x',
      '--list',
      'list',
      '--sitemap',
      '/sitemap.xml',
      '--resume',
      'done',
      '--concurrency',
      '2',
    ] as const
    const first = await json(...args)
    expect(first).toMatchObject({ code: 0, answer: { asked: 4, failed: 0, skipped: 0 } })
    expect(asked.filter((path) => path !== '/sitemap.xml').sort()).toEqual(['/a?b=1&c=2', '/d', '/e', '/x'])
    expect((await readFile(join(cwd, 'done'), 'utf8')).split('\n')).toContain(`${origin}/a?b=1&c=2`)
    expect((await json(...args)).answer).toMatchObject({ asked: 0, skipped: 4 })
  })

  it('ends with 1 when a page could not be had, and asks for it again', async () => {
    const first = await json('warm', '/broken', '/ok', '--resume', 'done')
    expect(first).toMatchObject({ code: 1, answer: { asked: 2, failed: 1 } })
    expect(first.stderr).toContain('/broken: status 500')
    expect((await json('warm', '/broken', '/ok', '--resume', 'done')).answer).toMatchObject({ asked: 1, skipped: 1 })
  })
})

describe('verify', () => {
  it('finds a stale page, and says how many nines are right', async () => {
    for (const name of ['tea', 'coffee']) await cache.getOrRender(page.key({ name }), () => `<b>${name}</b>`)
    await writeFile(
      join(cwd, 'site.mjs'),
      `export default { store: { directory: 'pages' }, site: { render: (key) => key.includes('tea') ? '<b>chai</b>' : '<b>coffee</b>' } }`,
    )
    const { code, answer, stderr } = await json('verify', '--config', 'site.mjs', '--grace', '0')
    expect(code).toBe(1)
    expect(answer).toMatchObject({ checked: 2, stale: ['products/tea.html'], failed: [] })
    expect(stderr).toContain('stale: products/tea.html')
    expect(await pagekeep('verify', 'products/coffee.html', '--config', 'site.mjs')).toMatchObject({ code: 0 })
    expect((await pagekeep('verify')).stderr).toContain('site.render(key)')
  })
})

describe('bench', () => {
  it('measures how soon pages are answered', async () => {
    const { code, answer } = await json('bench', '/a', '--seconds', '1', '--concurrency', '2')
    expect(code).toBe(0)
    expect(answer.requests).toBe(asked.length - 1)
    expect(answer.medianMs).toBeLessThanOrEqual(answer.p99Ms)
  })
})
