/**
 * The dashboard in a real Chromium, over a real PostgreSQL: loaded, watched while rows change, used to evict, on
 * a phone. With PAGEKEEP_SCREENSHOTS=1 the pictures in docs/screenshots are taken anew.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createCache, type PageCache, route } from 'pagekeep'
import { PostgresInvalidator, rule } from 'pagekeep/invalidators/postgres'
import { observe } from 'pagekeep/metrics'
import { DiskStore } from 'pagekeep/stores/disk'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { mayStartBrowser, startBrowser } from './browser.js'
import { type ServedDashboard, serveDashboard } from './served-dashboard.js'

const schema = `
  CREATE TABLE ports (id integer PRIMARY KEY, category text NOT NULL, name text NOT NULL, revision integer NOT NULL DEFAULT 0);
  INSERT INTO ports (id, category, name) SELECT id, (ARRAY['devel', 'dns', 'www'])[1 + id % 3], 'port-' || id FROM generate_series(1, 60) AS id;
  CREATE TABLE cache_clearing_ports (id bigserial, category text NOT NULL, name text NOT NULL);
  CREATE FUNCTION clear_port() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO cache_clearing_ports (category, name) VALUES (NEW.category, NEW.name);
    NOTIFY port_updated;
    RETURN NEW;
  END $$;
  CREATE TRIGGER clear_port AFTER UPDATE ON ports FOR EACH ROW EXECUTE FUNCTION clear_port();`

const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-dashboard-'))
const port = route('ports/{category}/{name}/index.html')
let server: PostgresServer
let browser: Browser
let connection: string
let cache: PageCache
let invalidator: PostgresInvalidator
let served: ServedDashboard

const visit = (id: number) => {
  const category = ['devel', 'dns', 'www'][id % 3] ?? ''
  return cache.getOrRender(port.key({ category, name: `port-${id}` }), async () => {
    const [row] = await query(connection, `SELECT * FROM ports WHERE id = ${id}`)
    return `<h1>${row?.category}/${row?.name}</h1>${'<p>Portable and small.</p>'.repeat(40 + id)}${row?.revision}`
  })
}

beforeAll(async () => {
  browser = await startBrowser()
  server = await startPostgres()
  connection = await server.createDatabase()
  await query(connection, schema)
  const store = new DiskStore({ directory })
  cache = createCache({ store })
  const queue = { table: 'cache_clearing_ports', columns: ['category', 'name'] } as const
  const rules = [
    rule({ channel: 'port_updated', queue, evict: ({ category, name }) => port.pattern({ category, name }) }),
  ]
  invalidator = new PostgresInvalidator({ connection, target: cache, rules, listenFor: false, heartbeatMs: 500 })
  const observer = observe({ cache, invalidator, rules })
  const doctor = async () => [
    { level: 'ok' as const, subject: 'trigger clear_port', message: 'is there and enabled' },
    {
      level: 'warn' as const,
      subject: 'cache_clearing_ports',
      message: 'was last vacuumed long ago',
      advice: 'Lower its autovacuum threshold.',
    },
  ]
  served = await serveDashboard({ cache, observer, invalidator, store, doctor, allowEvict: true, refreshMs: 250 })
  await invalidator.start()
  await invalidator.ready()
  for (let id = 1; id <= 60; id++) await visit(id)
})

afterAll(async () => {
  await served?.close()
  await invalidator?.stop()
  await cache?.close()
  await server?.stop()
  await browser?.close()
  rmSync(directory, { recursive: true, force: true })
})

const opened: Page[] = []
afterEach(async () => {
  for (const page of opened.splice(0)) await page.context().close()
})

/** What went wrong in the page, and what it asked of others. */
interface Opened {
  readonly page: Page
  readonly complaints: string[]
  readonly foreign: string[]
}

async function open(options: BrowserContextOptions = {}): Promise<Opened> {
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })).newPage()
  opened.push(page)
  const complaints: string[] = []
  const foreign: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(served.origin) && !request.url().startsWith('data:')) foreign.push(request.url())
  })
  await page.goto(served.entrance)
  await page.getByText('well, live').waitFor()
  return { page, complaints, foreign }
}

describe.skipIf(!mayStartBrowser())('the dashboard in Chromium', () => {
  it('opens by the token in the address, forgets the address, and asks nobody else', async () => {
    const { page, complaints, foreign } = await open()
    expect(page.url()).toBe(`${served.origin}/pagekeep/`)
    expect(await page.title()).toBe('pagekeep')
    await page.getByRole('button', { name: 'ports/', exact: true }).waitFor()
    expect(complaints).toEqual([])
    expect(foreign).toEqual([])
  })

  it('asks for the token where it was not shown, and opens by its form', async () => {
    const page = await (await browser.newContext()).newPage()
    opened.push(page)
    await page.goto(`${served.origin}/pagekeep/`)
    await page.getByLabel('Token of this dashboard').fill('not the token')
    await page.keyboard.press('Enter')
    await page.getByText('That is not the token.').waitFor()
    await page.getByLabel('Token of this dashboard').fill('a token for tests only')
    await page.keyboard.press('Enter')
    await page.getByText('well, live').waitFor()
  })

  it('shows an eviction when a row changes: the queue, the selector, the page', async () => {
    const { page } = await open()
    await visit(7)
    await query(connection, 'UPDATE ports SET revision = revision + 1 WHERE id = 7')
    const rows = page.locator('#table-evictions tbody tr', { hasText: 'ports/dns/port-7/index.html' })
    const row = rows.filter({ hasText: 'cache_clearing_ports' }).first()
    await row.waitFor()
    expect(await row.innerText()).toMatch(
      /queue[\s\S]*cache_clearing_ports[\s\S]*ports\/dns\/port-7\/index\.html[\s\S]*1/,
    )
  })

  it('evicts a page by the keyboard alone, after asking, and not when told to keep it', async () => {
    const { page } = await open()
    await visit(12)
    const key = port.key({ category: 'devel', name: 'port-12' })
    await page.getByLabel('Search', { exact: true }).focus()
    await page.keyboard.type('port-12')
    await page.keyboard.press('Enter')
    const button = page.getByRole('button', { name: `Evict ${key}` })
    await button.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(await cache.get(key), 'kept, as the first button says').toBeDefined()
    await button.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('1 page removed, 0 renders doomed.').waitFor()
    expect(await cache.get(key)).toBeUndefined()
    await page.locator('#table-evictions tbody tr', { hasText: 'call' }).first().waitFor()
  })

  it('opens the tree a directory at a time', async () => {
    const { page } = await open()
    await page.getByRole('button', { name: 'ports/', exact: true }).click()
    await page.getByRole('button', { name: 'www/', exact: true }).click()
    await page.getByRole('button', { name: 'port-8/', exact: true }).click()
    await page.getByText('index.html', { exact: true }).waitFor()
  })

  it('says what the doctor found', async () => {
    const { page } = await open()
    await page.getByRole('button', { name: 'Look everything over' }).click()
    await page.getByText('2 findings, 1 to look at.').waitFor()
    await page.getByText('Lower its autovacuum threshold.').waitFor()
  })

  it('says loudly that the stream is cut, and connects again by itself', async () => {
    const { page } = await open()
    await served.down()
    await page.getByRole('alert').getByText('The stream is cut').waitFor()
    await page.getByText('not connected').waitFor()
    await served.up()
    await page.getByText('well, live').waitFor()
    expect(await page.getByRole('alert').isVisible()).toBe(false)
  })

  it.each([320, 375])('is no wider than a phone of %i pixels, open tree and all', async (width) => {
    const { page } = await open({ viewport: { width, height: 720 }, hasTouch: true, isMobile: true })
    await page.getByRole('button', { name: 'ports/', exact: true }).click()
    await page.getByRole('button', { name: 'www/', exact: true }).waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
  })

  it('has a name for everything that can be pressed, and headings for all sections', async () => {
    const { page } = await open()
    await page.getByRole('button', { name: 'ports/', exact: true }).waitFor()
    const nameless = await page.evaluate(`[...document.querySelectorAll('button, input, a')].filter((one) =>
      !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length)).length`)
    expect(nameless).toBe(0)
    const untitled = await page.evaluate(`[...document.querySelectorAll('section')].filter((one) =>
      !document.getElementById(one.getAttribute('aria-labelledby'))).length`)
    expect(untitled).toBe(0)
    const ids = (await page.evaluate('[...document.querySelectorAll("[id]")].map(({ id }) => id)')) as string[]
    expect(ids.length).toBe(new Set(ids).size)
  })
})

describe.runIf(process.env.PAGEKEEP_SCREENSHOTS === '1')('pictures of the dashboard', () => {
  const shots = path.resolve(import.meta.dirname, '../../docs/screenshots')

  it('are taken wide and narrow, light and dark, after a while of work', { timeout: 300_000 }, async () => {
    const endMs = Date.now() + 45_000
    for (let turn = 0; Date.now() < endMs; turn++) {
      const id = 1 + ((turn * 7) % 60)
      await Promise.all(Array.from({ length: 12 }, (_, at) => visit(1 + ((id + at * at) % 60))))
      if (turn % 40 === 0)
        await query(connection, `UPDATE ports SET revision = revision + 1 WHERE id % 20 = ${turn % 20}`)
      if (turn % 25 === 0)
        void cache.getOrRender('search/slow.html', (context) => {
          context.skip()
          return new Promise<string>((resolve) => setTimeout(() => resolve('found'), 400))
        })
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    await cache.getOrRender('news/today.html', async () => {
      await cache.evict('news/**')
      return 'overtaken'
    })
    await cache.getOrRender('../news', () => 'no key')
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const [name, width, height] of [
        ['wide', 1200, 900],
        ['narrow', 375, 800],
      ] as const) {
        const { page } = await open({ viewport: { width, height }, colorScheme })
        await page.getByRole('button', { name: 'ports/', exact: true }).click()
        await page.getByRole('button', { name: 'www/', exact: true }).waitFor()
        await page.screenshot({ path: path.join(shots, `dashboard-${name}-${colorScheme}.png`), fullPage: true })
      }
    }
  })
})
