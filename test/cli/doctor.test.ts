import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createCache, route } from 'pagekeep'
import {
  evictRoute,
  FeedInvalidator,
  FeedSchema,
  PostgresInvalidator,
  rule,
  watch,
} from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { examine } from '../../src/cli/commands/doctor.js'
import { readSettings } from '../../src/cli/config/settings.js'
import { pooler } from '../invalidators/postgres/feed/consumer/pooler.js'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { runCli } from './run-cli.js'

let postgres: PostgresServer
let cwd: string
let database: string
const ends: (() => unknown)[] = []

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-doctor-'))
  // The doctor runs as the owner of the pages or as somebody else; a test's directory is its own.
  await chmod(cwd, 0o755)
  database = await postgres.createDatabase()
  await query(
    database,
    `ALTER DATABASE ${new URL(database).pathname.slice(1)} SET TimeZone = 'UTC';
     CREATE TABLE ports (id serial PRIMARY KEY, category text, name text, price integer);
     INSERT INTO ports (category, name) VALUES ('devel', 'git');
     CREATE TABLE listen_for (name text PRIMARY KEY);
     INSERT INTO listen_for VALUES ('port_updated');
     CREATE TABLE cache_clearing_ports (id serial PRIMARY KEY, category text, port text, date_added timestamptz DEFAULT now());
     CREATE FUNCTION clear_port() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       INSERT INTO cache_clearing_ports (category, port) VALUES (NEW.category, NEW.name);
       NOTIFY port_updated;
       RETURN NULL;
     END $$;
     CREATE TRIGGER ports_clear AFTER INSERT OR UPDATE ON ports FOR EACH ROW EXECUTE FUNCTION clear_port();`,
  )
})

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await rm(cwd, { recursive: true, force: true })
})

const page = route('ports/{category}/{name}.html')
const queueRule = {
  channel: 'port_updated',
  queue: 'cache_clearing_ports',
  evicts: [{ route: page.template, columns: { category: 'category', name: 'port' } }],
}
const queueConfig = { queues: { rules: [queueRule] } }
const feedRule = {
  watch: 'ports',
  columns: ['price'],
  evicts: [{ route: page.template, columns: { category: 'category', name: 'name' } }],
}
const feedConfig = { rules: [feedRule], routes: [page.template] }

async function listenToQueue(directory = 'pages'): Promise<PostgresInvalidator> {
  const cache = createCache({ store: new DiskStore({ directory: join(cwd, directory) }) })
  const rules = [
    rule({
      channel: 'port_updated',
      queue: { table: 'cache_clearing_ports', columns: ['category', 'port'] },
      evict: () => [],
    }),
  ]
  const invalidator = new PostgresInvalidator({ connection: database, target: cache, rules, heartbeatMs: 200 })
  await invalidator.start()
  ends.push(
    () => cache.close(),
    () => invalidator.stop(),
  )
  return invalidator
}

async function listenToFeed(): Promise<FeedInvalidator> {
  await new FeedSchema({
    rules: [
      watch({ table: 'ports', columns: ['price'], evicts: [evictRoute(page, { category: 'category', name: 'name' })] }),
    ],
  }).install(database)
  const cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages') }) })
  const invalidator = new FeedInvalidator({ connection: database, target: cache, heartbeatMs: 200 })
  await invalidator.start()
  ends.push(
    () => cache.close(),
    () => invalidator.stop(),
  )
  return invalidator
}

async function diagnosis(config: object, more: { database?: string; directory?: string; maxLagMs?: number } = {}) {
  const file = join(cwd, 'pagekeep.config.json')
  const store = { directory: more.directory ?? 'pages' }
  await writeFile(file, JSON.stringify({ connection: more.database ?? database, store, ...config }))
  return examine(await readSettings({ config: file, database: more.database ?? database }), more.maxLagMs ?? 30_000)
}

/** Statistics and signs of life come a moment later. */
async function eventually<T>(find: () => Promise<T>, isIt: (found: T) => boolean): Promise<T> {
  const deadline = Date.now() + 150_000
  for (;;) {
    const found = await find()
    if (isIt(found) || Date.now() > deadline) return found
    await delay(50)
  }
}

interface Misconfiguration {
  readonly name: string
  /** Makes it so; answers what the doctor says. */
  seed(): ReturnType<typeof diagnosis>
  readonly expected: { level: string; code: string; message: RegExp; advice: RegExp }
}

const misconfigurations: Misconfiguration[] = [
  {
    name: 'a wrong directory',
    async seed() {
      await listenToQueue()
      return diagnosis(queueConfig, { directory: 'pgaes' })
    },
    expected: { level: 'fail', code: 'directory', message: /does not exist/, advice: /Mend store\.directory/ },
  },
  {
    name: 'a directory that is something else',
    async seed() {
      await writeFile(join(cwd, 'index.html'), 'a site')
      return diagnosis(queueConfig, { directory: '.' })
    },
    expected: { level: 'fail', code: 'directory', message: /was never a cache/, advice: /left alone/ },
  },
  {
    name: 'a typo in a channel of the table',
    async seed() {
      await listenToQueue()
      await query(database, "UPDATE listen_for SET name = 'port_udpated'")
      return diagnosis(queueConfig)
    },
    expected: {
      level: 'fail',
      code: 'channel',
      message: /"port_udpated", for which there is no rule \(did you mean "port_updated"\?\)/,
      advice: /Mend the name/,
    },
  },
  {
    name: 'a typo in a channel of a trigger',
    async seed() {
      await listenToQueue()
      await query(
        database,
        "CREATE OR REPLACE FUNCTION clear_port() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO cache_clearing_ports (category) VALUES ('x'); NOTIFY ports_updated; RETURN NULL; END $$",
      )
      return diagnosis(queueConfig)
    },
    expected: {
      level: 'warn',
      code: 'notify',
      message: /did you mean "ports_updated"/,
      advice: /Mend the channel in the trigger/,
    },
  },
  {
    name: 'a disabled trigger that fills a queue',
    async seed() {
      await listenToQueue()
      await query(database, 'ALTER TABLE ports DISABLE TRIGGER ports_clear')
      return diagnosis(queueConfig)
    },
    expected: {
      level: 'fail',
      code: 'trigger',
      message: /"ports_clear" on ports is disabled/,
      advice: /ENABLE TRIGGER "ports_clear"/,
    },
  },
  {
    name: 'a disabled trigger of the feed',
    async seed() {
      await listenToFeed()
      await query(database, 'ALTER TABLE ports DISABLE TRIGGER ALL')
      return diagnosis(feedConfig)
    },
    expected: { level: 'fail', code: 'trigger', message: /is disabled/, advice: /ENABLE TRIGGER/ },
  },
  {
    name: 'a missing right',
    async seed() {
      await listenToQueue()
      const role = `listener_${new URL(database).pathname.slice(-8)}`
      await query(
        database,
        `CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
      )
      const limited = new URL(database)
      limited.username = role
      limited.password = 'x'
      return diagnosis(queueConfig, { database: limited.href })
    },
    expected: {
      level: 'fail',
      code: 'rights',
      message: /lacks the right to DELETE on cache_clearing_ports/,
      advice: /GRANT SELECT, DELETE ON "cache_clearing_ports"/,
    },
  },
  {
    name: 'a dead listener of a queue',
    async seed() {
      await (await listenToQueue()).stop()
      return diagnosis(queueConfig)
    },
    expected: { level: 'fail', code: 'queue-listener', message: /Nobody listens/, advice: /pagekeep listen/ },
  },
  {
    name: 'a listener of the feed that is silent',
    async seed() {
      await (await listenToFeed()).stop()
      return eventually(
        () => diagnosis(feedConfig, { maxLagMs: 1 }),
        (found) => found.some(({ code, level }) => code === 'listener' && level === 'fail'),
      )
    },
    expected: { level: 'fail', code: 'listener', message: /last heard of/, advice: /dead, stopped, or cut off/ },
  },
  {
    name: 'a pooler',
    async seed() {
      await listenToQueue()
      const between = await pooler(database)
      ends.push(() => between.close())
      return diagnosis(queueConfig, { database: between.connection })
    },
    expected: { level: 'fail', code: 'pooler', message: /NOTIFY does not arrive/, advice: /to the server itself/ },
  },
  {
    name: 'an unwatched table',
    async seed() {
      await listenToFeed()
      await query(database, 'CREATE TABLE reviews (id serial PRIMARY KEY, text text)')
      await query(database, 'SELECT * FROM reviews')
      return eventually(
        () => diagnosis(feedConfig),
        (found) => found.some(({ code, subject }) => code === 'unwatched' && subject === 'reviews'),
      )
    },
    expected: {
      level: 'warn',
      code: 'unwatched',
      message: /table reviews was read/,
      advice: /watch\(\{ table: 'reviews'/,
    },
  },
  {
    name: 'a second node on a queue',
    async seed() {
      await listenToQueue('pages of the first')
      const cache = createCache({ store: new DiskStore({ directory: join(cwd, 'pages') }) })
      await cache.getOrRender('a', () => 'a')
      await cache.close()
      return diagnosis(queueConfig)
    },
    expected: {
      level: 'fail',
      code: 'second-node',
      message: /cleared by the listener of another store/,
      advice: /A queue serves one store.*bridge\(\)/,
    },
  },
  {
    name: 'rows that wait for long',
    async seed() {
      await (await listenToQueue()).stop()
      await query(
        database,
        "INSERT INTO cache_clearing_ports (category, port, date_added) VALUES ('a', 'b', now() - interval '1 hour')",
      )
      return diagnosis(queueConfig)
    },
    expected: {
      level: 'fail',
      code: 'backlog',
      message: /1 rows wait, the oldest for 60 min/,
      advice: /log of the listener/,
    },
  },
  {
    name: 'a queue whose day is an instant',
    async seed() {
      await query(database, 'ALTER TABLE cache_clearing_ports ADD day timestamptz')
      const evicts = [{ route: 'days/{day:YYYY-MM-DD}', columns: { day: 'day' } }]
      return diagnosis({ queues: { rules: [{ ...queueRule, evicts }] } })
    },
    expected: { level: 'warn', code: 'column-type', message: /an instant/, advice: /type date/ },
  },
  {
    name: 'a database that is not there',
    seed: () => diagnosis(feedConfig, { database: 'postgres://nobody@127.0.0.1:1/none' }),
    expected: {
      level: 'fail',
      code: 'database',
      message: /127\.0\.0\.1:1/,
      advice: /Start the server, or mend the address/,
    },
  },
  {
    name: 'a feed that was never installed',
    seed: () => diagnosis(feedConfig),
    expected: { level: 'fail', code: 'schema', message: /not installed/, advice: /install/ },
  },
]

describe('doctor', () => {
  it.each(misconfigurations)('finds $name, and says what to do', async ({ seed, expected }) => {
    const findings = await seed()
    const found = findings.filter(({ code, level }) => code === expected.code && level === expected.level)
    expect(found.map(({ message }) => message).join('\n'), JSON.stringify(findings, null, 1)).toMatch(expected.message)
    expect(found.map(({ advice }) => advice).join('\n')).toMatch(expected.advice)
  })

  it('finds nothing where all is well: with a queue', async () => {
    await listenToQueue()
    const findings = await eventually(
      () => diagnosis({ ...queueConfig }),
      (found) => found.every(({ level }) => level === 'ok'),
    )
    expect(findings.filter(({ level, code }) => level !== 'ok' && code !== 'free-space')).toEqual([])
  })

  it('finds nothing where all is well: with the feed', async () => {
    await listenToFeed()
    const config = { ...feedConfig, unwatched: ['listen_for', 'cache_clearing_ports'] }
    const findings = await eventually(
      () => diagnosis(config),
      (found) => found.every(({ level }) => level === 'ok'),
    )
    expect(findings.filter(({ level, code }) => level !== 'ok' && code !== 'free-space')).toEqual([])
  })

  it('warns of a rule that matched nothing for as long as is remembered, and not of one that did', async () => {
    await listenToFeed()
    const matched = async () => (await diagnosis(feedConfig)).filter(({ code }) => code === 'matched')
    expect(await matched(), 'a new site').toMatchObject([{ level: 'ok' }])
    await query(database, "UPDATE pagekeep.migration SET at = at - interval '3 days'")
    expect(await matched()).toMatchObject([
      { level: 'warn', subject: 'ports', message: expect.stringContaining('remembered, which is 24 h') },
    ])
    await query(database, 'UPDATE ports SET price = 7')
    expect(await matched()).toMatchObject([{ level: 'ok', message: expect.stringContaining('matched 1 times') }])
  })

  it('takes what the journal remembers for the rules of queues', async () => {
    await listenToQueue()
    const matched = async () => (await diagnosis(queueConfig)).filter(({ code }) => code === 'matched')
    const entry = { kind: 'evicted', why: 'queue', rows: [], selectors: [], keys: [], removed: 0, doomed: 0, pid: 1 }
    const write = (...rules: string[]) => {
      const lines = rules.map((rule) => `${JSON.stringify({ ...entry, rules: [rule], atMs: Date.now() - 1.7e8 })}\n`)
      return writeFile(join(cwd, 'pages/.pagekeep/journal/current'), lines.join(''))
    }
    await mkdir(join(cwd, 'pages/.pagekeep/journal'))
    await write('another')
    expect(await matched()).toMatchObject([{ level: 'warn', subject: 'cache_clearing_ports' }])
    await write('another', 'cache_clearing_ports')
    expect(await matched()).toMatchObject([{ level: 'ok' }])
  })

  it('judges the listener by the maxLagMs of the config, unless --max-lag says another', async () => {
    await listenToFeed()
    const config = join(cwd, 'pagekeep.config.json')
    const write = (maxLagMs: number) =>
      writeFile(
        config,
        JSON.stringify({ connection: database, store: { directory: 'pages' }, ...feedConfig, maxLagMs }),
      )
    const listener = async (...args: string[]) => {
      const { stdout } = await runCli(['doctor', '--json', ...args], { cwd })
      return JSON.parse(stdout).findings.find(({ code }: { code: string }) => code === 'listener').level
    }
    await write(3_600_000)
    for (const end of ends.splice(0).reverse()) await end()
    await writeFile(join(cwd, 'pages/.pagekeep/state/sign-of-life'), String(Date.now() - 120_000))
    expect(await listener()).toBe('ok')
    expect(await listener('--max-lag', '60')).toBe('fail')
    await write(60_000)
    expect(await listener()).toBe('fail')
    expect((await runCli(['status'], { cwd })).stdout).toContain('SILENT')
    await write(0)
    expect((await runCli(['status'], { cwd })).stderr).toContain('maxLagMs: expected a whole number, 1 or more')
  })

  it('tells cron by its exit code, and programs by JSON', async () => {
    await writeFile(
      join(cwd, 'pagekeep.config.json'),
      JSON.stringify({ connection: database, store: { directory: 'pages' }, ...feedConfig }),
    )
    const { code, stdout, stderr } = await runCli(['doctor', '--json', '--quiet'], { cwd })
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const answer = JSON.parse(stdout)
    expect(answer.fail).toBeGreaterThan(0)
    expect(answer.findings[0]).toEqual({
      level: 'fail',
      code: expect.any(String),
      subject: expect.any(String),
      message: expect.any(String),
      advice: expect.any(String),
    })
    const text = await runCli(['doctor'], { cwd })
    expect(text.stdout, 'the worst comes last').toMatch(/\nfail {2}[^\n]+\n {6}[^\n]+\n\d+ failed/)
    expect(text.stdout).toMatch(/\d+ failed, \d+ to look at, \d+ well\n$/)
  })
})
