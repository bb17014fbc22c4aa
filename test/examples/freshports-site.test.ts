import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { html } from '../../examples/freshports/html.js'
import { listenerProcess } from '../../examples/freshports/listener-process.js'
import { startSite } from '../../examples/freshports/site.js'
import { connect, type PostgresServer, startPostgres } from '../support/postgres.js'
import { Program } from './program.js'
import { Scene, until } from './scene.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

async function openScene(options?: Parameters<typeof Scene.open>[1]): Promise<Scene> {
  const scene = await Scene.open(server, options)
  onTestFinished(() => scene.close())
  return scene
}

const commit = (form: Record<string, string>): RequestInit => ({ method: 'POST', body: new URLSearchParams(form) })

describe('rules', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await Scene.open(server)
    await scene.invalidator.start()
    await scene.invalidator.ready()
    // A port whose days are known, among the pages below.
    await scene.db.query(`
      INSERT INTO ports (category_id, name, version, short_description, maintainer)
      SELECT id, 'mover', '1.0', 'Moves', 'ports@FreeBSD.org' FROM categories WHERE name = 'devel';
      INSERT INTO commit_log (message_id, commit_date, committer, description) VALUES ('mover', '2020-01-08 12:00Z', 'pi', 'Add mover');
      INSERT INTO commit_log_ports SELECT c.id, p.id, '1.0' FROM commit_log c, ports p WHERE message_id = 'mover' AND name = 'mover';
      INSERT INTO commit_log (message_id, commit_date, committer, description) VALUES ('alone', '2020-01-08 12:30Z', 'pi', 'No port')`)
    await scene.quiet()
  })
  afterAll(() => scene.close())

  const addresses = {
    news: ['/', '/?page=2'],
    devel: ['/categories/devel', '/categories/devel?page=2'],
    www: ['/categories/www'],
    git: ['/ports/devel/git'],
    mover: ['/ports/devel/mover'],
    nginx: ['/ports/www/nginx'],
    'the day': ['/date/2020/01/08', '/date/2020/01/08?branch=2020Q1'],
    'the day after': ['/date/2020/01/09', '/date/2020/01/09?branch=2020Q1'],
    'the day before': ['/date/2020/01/07'],
  }
  type Place = keyof typeof addresses

  /** The files of these pages. */
  async function filesOf(places: readonly Place[]): Promise<string[]> {
    const keys: string[] = []
    for (const address of places.flatMap((place) => addresses[place])) {
      const response = await fetch(`${scene.site.origin}${address}`)
      expect(response.status, address).toBe(200)
      keys.push(response.headers.get('x-cache-key') ?? '')
    }
    return keys.sort()
  }

  const all = Object.keys(addresses) as Place[]
  test.each<[string, string, Place[]]>([
    ['port_updated', "UPDATE ports SET short_description = 'New' WHERE name = 'git'", ['git', 'devel', 'news']],
    [
      'date_updated',
      "INSERT INTO commit_log (message_id, commit_date, committer, description) VALUES ('m1', '2020-01-08 10:00Z', 'pi', 'New')",
      ['the day', 'news'],
    ],
    ['category_new', "INSERT INTO categories (name, description) VALUES ('finance', 'Money')", ['news']],
    ['ports_moved', "INSERT INTO news (kind, title) VALUES ('ports_moved', 'New')", ['news']],
    ['ports_updating', "INSERT INTO news (kind, title) VALUES ('ports_updating', 'New')", ['news']],
    ['vuxml', "INSERT INTO news (kind, title) VALUES ('vuxml', 'New')", ['news']],
    ['a vuxml entry that is withdrawn', "DELETE FROM news WHERE kind = 'vuxml'", ['news']],
    [
      'a commit of a port',
      `WITH made AS (INSERT INTO commit_log (message_id, commit_date, committer, description)
                     VALUES ('m2', '2020-01-09 10:00Z', 'pi', 'New') RETURNING id)
       INSERT INTO commit_log_ports SELECT made.id, ports.id, '1' FROM made, ports WHERE name = 'nginx'`,
      ['the day after', 'nginx', 'www', 'news'],
    ],
    [
      'a commit whose day changes',
      "UPDATE commit_log SET commit_date = '2020-01-09 12:30Z' WHERE message_id = 'alone'",
      ['the day', 'the day after', 'news'],
    ],
    ['a commit that is deleted', "DELETE FROM commit_log WHERE message_id = 'alone'", ['the day after', 'news']],
    [
      // In Auckland it is the 9th by then.
      'a commit late in the UTC day, from a session elsewhere',
      `SET TimeZone = 'Pacific/Auckland';
       INSERT INTO commit_log (message_id, commit_date, committer, description) VALUES ('m3', '2020-01-08 23:30Z', 'pi', 'Late')`,
      ['the day', 'news'],
    ],
    [
      'a port that moves to another category',
      "UPDATE ports SET category_id = (SELECT id FROM categories WHERE name = 'www') WHERE name = 'mover'",
      ['mover', 'devel', 'www', 'the day', 'news'],
    ],
    ['a change that is rolled back', "BEGIN; UPDATE ports SET version = '0' WHERE name = 'git'; ROLLBACK", []],
  ])('clear for %s what is old, and nothing else', async (_name, sql, old) => {
    const places = all.filter((place) => place !== 'mover' || sql.includes('mover'))
    const before = await filesOf(places)
    expect(await scene.files()).toEqual(expect.arrayContaining(before))
    const files = await scene.files()
    const gone = await filesOf(old)

    const client = await connect(scene.database)
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
    const left = files.filter((key) => !gone.includes(key))
    await until(async () => (await scene.files()).length === left.length)
    await scene.quiet()
    expect(await scene.files()).toEqual(left)
  })

  test('clear a deleted port, its category and its days', async () => {
    const { text } = await scene.visit('/date/2020/01/08')
    expect(text).toContain('www/mover')
    await scene.visit('/ports/www/mover')
    await scene.db.query("DELETE FROM ports WHERE name = 'mover'")
    await until(async () => !(await scene.visit('/date/2020/01/08')).text.includes('www/mover'))
    expect((await scene.visit('/ports/www/mover')).status).toBe(404)
  })

  test('clear both names of a renamed category', async () => {
    await filesOf(['git', 'devel'])
    await scene.db.query("UPDATE categories SET name = 'develop' WHERE name = 'devel'")
    await until(async () => (await scene.visit('/ports/devel/git')).status === 404)
    expect((await scene.visit('/categories/devel')).status).toBe(404)
    expect((await scene.visit('/categories/develop')).text).toContain('/ports/develop/git')
  })
})

test('startSite() keeps a page whole, under its address, and says so', async () => {
  const scene = await openScene()
  const first = await scene.visit('/date/2020/01/08')
  expect(first).toMatchObject({ status: 200, cache: 'rendered' })
  expect(first.text).toMatch(/Rendered <time.*<\/time> for this answer, and kept\./)
  const file = await readFile(join(scene.cacheDirectory, 'daily/2020/01/08.daily.head'), 'utf8')
  expect(file).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  const second = await scene.visit('/date/2020/01/08')
  expect(second).toMatchObject({ status: 200, cache: 'hit' })
  expect(second.text).toMatch(/<\/time> and kept since: this answer came from the cache\./)
  expect(second.text.replace(/<\/time>.*\./, '')).toBe(file.replace(/<\/time>.*\./, ''))
})

test('startSite() makes a commit from the form, and the next load shows it', async () => {
  const scene = await openScene()
  await scene.invalidator.start()
  for (const [page, form] of [
    ['/date/2020/01/08', { port: 'www/nginx', day: '2020-01-08' }],
    ['/ports/devel/git', { port: 'devel/git' }],
    ['/', { port: 'lang/rust' }],
  ] as const) {
    await scene.visit(page)
    const description = `From ${page}`
    // fetch follows the redirect, as a browser does.
    const { status, text } = await scene.visit('/commit', commit({ ...form, description, back: page }))
    expect(status).toBe(200)
    expect(text).toContain(description)
  }
})

test('startSite() shows the old page after a commit while the listener is away', async () => {
  const scene = await openScene({ site: { commitWaitMs: 20 } })
  await scene.visit('/ports/devel/git')
  const form = { port: 'devel/git', description: 'Nobody listens', back: '/ports/devel/git' }
  const after = await scene.visit('/commit', commit(form))
  expect(after).toMatchObject({ status: 200, cache: 'hit' })
  expect(after.text).not.toContain('Nobody listens')
  await scene.invalidator.start()
  await scene.invalidator.ready()
  expect((await scene.visit('/ports/devel/git')).text).toContain('Nobody listens')
})

test('startSite() refuses forms that make no sense, and those of other sites', async () => {
  const scene = await openScene({ site: { commitWaitMs: 1 } })
  const whole = { port: 'devel/git', description: 'x', back: '/' }
  const statusOf = async (form: Record<string, string>, headers: Record<string, string> = {}) =>
    (await scene.visit('/commit', { ...commit(form), headers, redirect: 'manual' })).status
  expect(await statusOf(whole)).toBe(303)
  expect(await statusOf({ ...whole, port: 'devel/nothing' })).toBe(404)
  expect(await statusOf({ ...whole, port: 'devel' })).toBe(400)
  expect(await statusOf({ ...whole, port: '../devel/git' })).toBe(400)
  expect(await statusOf({ ...whole, description: ' ' })).toBe(400)
  expect(await statusOf({ ...whole, description: 'a\u0000b' })).toBe(400)
  expect(await statusOf({ ...whole, description: 'x'.repeat(501) })).toBe(400)
  expect(await statusOf({ ...whole, description: 'x'.repeat(5000) })).toBe(413)
  expect(await statusOf({ ...whole, day: '2020-02-31' })).toBe(400)
  expect(await statusOf(whole, { origin: 'https://elsewhere.example' })).toBe(403)
  for (const back of ['//elsewhere.example', '/\\elsewhere.example', 'https://elsewhere.example', '']) {
    const answer = await fetch(`${scene.site.origin}/commit`, { ...commit({ ...whole, back }), redirect: 'manual' })
    expect(answer.headers.get('location')).toBe('/')
  }
})

test('startSite() answers 404 to unknown addresses, and keeps nothing for them', async () => {
  const scene = await openScene()
  for (const address of [
    '/nothing',
    '/ports/devel',
    '/ports/devel/nothing',
    '/ports/devel/git?page=99',
    '/ports/devel/git?page=0',
    '/ports/devel/git?page=01',
    '/ports/devel/%00',
    '/ports/devel/%2e%2e%2f',
    '/ports/%zz/git',
    '/categories/nothing',
    '/categories/devel/',
    '/categories/devel?page=99',
    '/?page=9999',
    '/?page=-1',
    '/date/2020/02/31',
    '/date/2020/1/8',
    '/date/1999/01/08',
    '/date/2020/01/08?branch=..',
    '/date/2020/01/08?branch=1999Q1',
    `/ports/devel/${'x'.repeat(3000)}`,
  ]) {
    const expected = address === '/categories/devel/' ? 200 : 404
    expect((await scene.visit(address)).status, address).toBe(expected)
  }
  expect(await scene.files()).toEqual(['categories/devel/page-1.html'])
  expect((await scene.visit('/ports/benchmarks/bonnie%2B%2B')).status).toBe(200)
  expect((await scene.visit('/', { method: 'DELETE' })).status).toBe(405)
  expect((await scene.visit('/commit')).status).toBe(405)
  expect((await scene.visit('/?utm=1', { method: 'HEAD' })).text).toBe('')
  // Other parameters make no other page.
  expect(await scene.visit('/?utm=2')).toMatchObject({ cache: 'hit' })
})

test('startSite() escapes whatever comes out of the database', async () => {
  const scene = await openScene()
  const evil = `</p><script>alert("1")</script> & 'x'`
  await scene.db.query('UPDATE ports SET short_description = $1, maintainer = $1', [evil])
  await scene.db.query('UPDATE commit_log SET description = $1, committer = $1', [evil])
  await scene.db.query('UPDATE categories SET description = $1', [evil])
  await scene.db.query('UPDATE news SET title = $1', [evil])
  for (const address of ['/', '/categories/devel', '/ports/devel/git', '/date/2020/01/08']) {
    const { text } = await scene.visit(address)
    expect(text, address).not.toContain('<script')
    expect(text, address).toContain('&#60;/p&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62; &#38; &#39;x&#39;')
  }
})

test('html() escapes values, and joins lists, but takes HTML as it is', () => {
  const items = ['<a>', 1].map((item) => html`<li>${item}</li>`)
  expect(html`<ul title="${'"'}">${items}</ul>`.text).toBe('<ul title="&#34;"><li>&#60;a&#62;</li><li>1</li></ul>')
})

test('startSite() serves kept pages when the database is away, and 503 for others, keeping nothing', async () => {
  const scene = await openScene()
  await scene.visit('/date/2020/01/08')
  const lost = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' })
  onTestFinished(() => lost.end())
  const said: string[] = []
  const site = await startSite({ cache: scene.cache, db: lost, port: 0, print: (line) => said.push(line) })
  onTestFinished(() => site.close())
  expect((await fetch(`${site.origin}/date/2020/01/08`)).status).toBe(200)
  const failed = await fetch(`${site.origin}/date/2020/01/09`)
  expect(failed.status).toBe(503)
  expect(await failed.text()).toContain('Kept pages are served all the same')
  expect(said.join()).toContain('ECONNREFUSED')
  expect(await scene.files()).toEqual(['daily/2020/01/08.daily.head'])
})

/** Two hundred requests to two processes for a cold page whose render is held up until all have come. */
async function crowd(scene: Scene, directories: readonly string[]): Promise<{ rendered: number; versions: number }> {
  const sites = directories.map(
    (directory) => new Program('examples/freshports/web.ts', ['--database', scene.database, '--cache', directory]),
  )
  try {
    const origins = await Promise.all(sites.map(async (site) => (await site.said(/ready +(http:\S+)\//))[1] ?? ''))
    const blocker = await connect(scene.database)
    await blocker.query('BEGIN; LOCK TABLE commit_log IN ACCESS EXCLUSIVE MODE')
    const visits = Array.from({ length: 200 }, async (_, index) => {
      const response = await fetch(`${origins[index % origins.length]}/date/2020/01/08`)
      return { cache: response.headers.get('x-cache'), at: /datetime="([^"]+)"/.exec(await response.text())?.[1] }
    })
    await until(() => sites.reduce((sum, site) => sum + site.count(/^miss /gm), 0) === 200)
    await blocker.end()
    const answers = await Promise.all(visits)
    return {
      rendered: answers.filter(({ cache }) => cache === 'rendered').length,
      versions: new Set(answers.map(({ at }) => at)).size,
    }
  } finally {
    await Promise.all(sites.map((site) => site.stop()))
  }
}

test('web.ts renders once for two hundred visitors of two processes', async () => {
  const scene = await openScene()
  const { cacheDirectory: one } = scene
  expect(await crowd(scene, [one, one])).toEqual({ rendered: 1, versions: 1 })
})

test('web.ts renders twice when the two processes share no directory: the crowd can tell', async () => {
  const scene = await openScene()
  const { cacheDirectory: one } = scene
  expect(await crowd(scene, [join(one, 'a'), join(one, 'b')])).toMatchObject({ rendered: 2 })
})

test('listener.ts clears as a process of its own, and after kill -9 what it has missed', async () => {
  const scene = await openScene()
  const said: string[] = []
  const deaths: string[] = []
  const listener = listenerProcess({
    database: scene.database,
    cacheDirectory: scene.cacheDirectory,
    print: (line) => said.push(line),
    onDeath: (reason) => deaths.push(reason),
  })
  onTestFinished(() => listener.stop())
  await listener.start()
  await scene.visit('/ports/devel/git')
  await scene.db.query("UPDATE ports SET short_description = 'One' WHERE name = 'git'")
  await until(async () => (await scene.visit('/ports/devel/git')).text.includes('One'))

  // Killed with a row in its hands, too: the change comes at the same moment.
  const change = scene.db.query("UPDATE ports SET short_description = 'Two' WHERE name = 'git'")
  process.kill(listener.pid() ?? 0, 'SIGKILL')
  await change
  await until(() => deaths.length === 1)
  await scene.visit('/ports/devel/cmake')
  await scene.db.query("UPDATE ports SET short_description = 'Three' WHERE name IN ('git', 'cmake')")
  expect((await scene.visit('/ports/devel/cmake')).cache).toBe('hit')
  await listener.start()
  for (const port of ['git', 'cmake']) expect((await scene.visit(`/ports/devel/${port}`)).text).toContain('Three')
  expect(said.filter((line) => line.startsWith('ready'))).toHaveLength(2)
  await listener.stop()
  expect(deaths).toEqual(['the listener ended with SIGKILL'])
})
