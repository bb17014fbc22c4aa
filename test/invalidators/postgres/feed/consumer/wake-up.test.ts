/** What makes it read: a NOTIFY, the poll lease, time; and that none of them can be the last to know. */
import type { FeedInvalidator } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { Connection } from '../../../../../src/invalidators/postgres/connection.js'
import type { FeedPage, FeedSource } from '../../../../../src/invalidators/postgres/feed/feed-source.js'
import { PollLease } from '../../../../../src/invalidators/postgres/feed/poll-lease.js'
import { migrationStatements } from '../../../../../src/invalidators/postgres/feed/schema/migrations.js'
import { readSchemaName } from '../../../../../src/invalidators/postgres/feed/schema/quoting.js'
import { parseSnapshot } from '../../../../../src/invalidators/postgres/feed/snapshot.js'
import { nowMsSql, SnapshotSource } from '../../../../../src/invalidators/postgres/feed/table-source.js'
import { query } from '../../../../support/postgres.js'
import { next, until } from '../../harness.js'
import { RecordingTarget } from '../../recording-target.js'
import { begin, FeedHarness, insert, key, schema } from './feed-harness.js'
import { pooler } from './pooler.js'

const harness = FeedHarness.use()

/** Begins at the end of the feed on each connection, as who only listens does. Control only. */
class ListenOnlySource extends SnapshotSource {
  #isFirst = true

  override async read(...[connection, cursor, ...rest]: Parameters<FeedSource['read']>): Promise<FeedPage> {
    const from = this.#isFirst ? await this.end(connection) : cursor
    this.#isFirst = false
    return super.read(connection, from, ...rest)
  }
}

/** Believes that nobody skips a NOTIFY once the lease has run out. Control only. */
class HastyLease extends PollLease {
  protected override async lapse(): Promise<void> {
    this.settle()
  }
}

describe('a NOTIFY that was sent while nobody listened', () => {
  async function play(parts = {}) {
    const connection = await harness.database()
    const name = new URL(connection).pathname.slice(1)
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target }, parts)
    await invalidator.start()
    const lost = next(invalidator as never, 'disconnected')
    await query(harness.server.connectionString(), `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    await site.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name LIKE 'pagekeep:%'`)
    await lost
    await site.query(insert('unheard'))
    const again = next(invalidator as never, 'connected')
    await query(harness.server.connectionString(), `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await again
    await invalidator.ready()
    await until('it has read', () => invalidator.status().state === 'listening')
    await site.query(insert('heard'))
    await until('the next is evicted', () => target.evicted.has(key('heard')))
    return target
  }

  test('is made up for: after LISTEN, it reads', async () => {
    expect((await play()).evicted).toContain(key('unheard'))
  })

  test('control: is lost to who listens from then on', async () => {
    expect((await play({ source: () => new ListenOnlySource(schema) })).evicted).not.toContain(key('unheard'))
  })
})

/** Sets the lease as another listener does. */
const takeLease = (ms: number) =>
  `SELECT setval('pagekeep.lease', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${ms}), pg_notify('pagekeep', '')`

describe('a writer that skipped its NOTIFY and commits after the lease has run out', () => {
  /** Answers whether its change was evicted, once nothing is left that could make it so. */
  async function play(isolation: string, parts = {}): Promise<boolean> {
    const connection = await harness.database()
    const [site, writer, listener] = [
      await harness.client(connection),
      await harness.client(connection),
      await harness.client(connection),
    ]
    const heard: string[] = []
    listener.on('notification', ({ channel }) => heard.push(channel))
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target }, parts)
    await invalidator.start()
    await site.query(takeLease(1500))
    await until('it polls', () => invalidator.status().wakeUp === 'lease')
    await begin(writer, isolation, insert('late'))
    const wakeUp = () => invalidator.status().wakeUp
    await until('the lease has run out', async () => {
      const { rows } = await site.query(
        'SELECT extract(epoch FROM clock_timestamp()) * 1000 > last_value AS is_over FROM pagekeep.lease',
      )
      return rows[0]?.is_over === true
    })
    const isHasty = 'lease' in parts
    if (isHasty) await until('it sleeps', () => wakeUp() === 'notify')
    else expect(wakeUp()).toBe('lease')
    await listener.query('LISTEN pagekeep')
    await listener.query('LISTEN after')
    await writer.query('COMMIT')
    await writer.query('NOTIFY after')
    await until('what the commit sent has arrived', () => heard.includes('after'))
    expect(heard).not.toContain('pagekeep')
    await until('it sleeps', () => wakeUp() === 'notify')
    return target.evicted.has(key('late'))
  }

  const isolations = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']
  test.each(isolations)('%s: is waited for', async (isolation) => {
    expect(await play(isolation)).toBe(true)
  })

  test.each(isolations)('control: %s: is never seen without that', async (isolation) => {
    expect(await play(isolation, { lease: (options: never) => new HastyLease(options) })).toBe(false)
  })
})

describe('PollLease', () => {
  async function open() {
    const database = await harness.database()
    const { signal } = new AbortController()
    const { SteadyClock } = await import('../../../../../src/invalidators/postgres/steady-clock.js')
    const { systemClock } = await import('pagekeep')
    const connection = await Connection.open({
      config: { connectionString: database },
      applicationName: 'test',
      clock: new SteadyClock(systemClock),
      connectTimeoutMs: 30_000,
      queryTimeoutMs: 30_000,
      idleInTransactionMs: 30_000,
      signal,
    })
    harness.onEnd(() => connection.close())
    const source = new SnapshotSource(schema)
    const lease = new PollLease({ schema, busyRows: 20, leaseMs: 200, pollMs: 10 })
    const poll = async (busy = 0, isLeased = false) => {
      const page = await source.read(connection, await source.end(connection), 10)
      const leased = isLeased ? { ...page, leaseUntilMs: page.serverNowMs + 100 } : page
      await lease.observe(connection, leased, busy)
      return page
    }
    return { database, connection, lease, poll }
  }
  const runOut = (connection: Connection) =>
    until('the lease has run out', async () => {
      const sql =
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000 > last_value)::text AS is_over FROM pagekeep.lease'
      return (await connection.query(sql))[0]?.is_over === 'true'
    })

  test('waits for a writer that is the only one there is, of which xmax of a snapshot says nothing', async () => {
    const { database, lease, poll } = await open()
    // As if a lease ran: to set one draws a number, and would move what is tested here.
    await poll(0, true)
    expect(lease.state).toBe('awake')
    const writer = await harness.client(database)
    await begin(writer, 'READ COMMITTED', insert('only'))
    const atLapse = parseSnapshot((await poll()).cursor.snapshot)
    expect(lease.state).toBe('lapsing')
    const later = parseSnapshot((await poll()).cursor.snapshot)
    // What would end the wait, if xmax were the bound:
    expect(atLapse.xmin >= atLapse.xmax).toBe(true)
    expect(later.xmin >= atLapse.xmax).toBe(true)
    await poll()
    expect(lease.state).toBe('lapsing')
    await writer.query('COMMIT')
    await poll()
    expect(lease.state).toBe('asleep')
  })

  test('is lapsing when a lease came and went between two reads', async () => {
    const { connection, lease, poll } = await open()
    await poll()
    expect(lease.state).toBe('asleep')
    await connection.query("SELECT setval('pagekeep.lease', 5)::text")
    await poll()
    expect(lease.state).toBe('lapsing')
    await poll()
    expect(lease.state).toBe('asleep')
    await poll()
    expect(lease.state).toBe('asleep')
  })

  test('is taken when busy, renewed in time, and mended when it lies absurdly far ahead', async () => {
    const { connection, lease, poll } = await open()
    await poll(20)
    expect(lease.state).toBe('asleep')
    await poll(1)
    expect(lease.state).toBe('awake')
    await runOut(connection)
    await poll(21)
    expect(lease.state).toBe('awake')
    await connection.query("SELECT setval('pagekeep.lease', 9000000000000000)::text")
    await poll()
    const { leaseUntilMs, serverNowMs } = await poll()
    expect(leaseUntilMs - serverNowMs).toBeLessThanOrEqual(200)
  })
})

test('a busy site is heard by polling, its writers send no NOTIFY, and it goes back to sleep', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target, busyRows: 3, leaseMs: 400 })
  await invalidator.start()
  await site.query("INSERT INTO page SELECT 'p' || n, 1 FROM generate_series(1, 9) AS n")
  await until('it polls', () => invalidator.status().wakeUp === 'lease')
  const heard: string[] = []
  const listener = await harness.client(connection)
  listener.on('notification', ({ channel }) => heard.push(channel))
  await listener.query('LISTEN pagekeep')
  await site.query(insert('quiet'))
  await until('it is evicted', () => target.evicted.has(key('quiet')))
  expect(heard).toEqual([])
  await until('it sleeps', () => invalidator.status().wakeUp === 'notify')
  await site.query(insert('again'))
  await until('it is evicted', () => target.evicted.has(key('again')))
})

describe('without NOTIFY', () => {
  const play = async (connection: string, site: pg.Client, options = {}): Promise<FeedInvalidator> => {
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target, pollMs: 20, ...options })
    await invalidator.start()
    await until('it polls', () => invalidator.status().wakeUp === 'poll')
    await site.query(insert('polled'))
    await until('it is evicted', () => target.evicted.has(key('polled')))
    return invalidator
  }

  test('it polls when told not to listen', async () => {
    const connection = await harness.database()
    await play(connection, await harness.client(connection), { listen: false })
  })

  test('it polls when the schema sends none', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query('UPDATE pagekeep.feed_state SET notify = false')
    await play(connection, site)
  })

  test('it polls behind a pooler, and says so', async () => {
    const connection = await harness.database()
    const through = await pooler(connection)
    harness.onEnd(through.close)
    const warnings: string[] = []
    const log = () => {}
    const logger = { debug: log, info: log, error: log, warn: (message: string) => void warnings.push(message) }
    await play(through.connection, await harness.client(connection), { logger })
    expect(warnings.join()).toContain('A pooler stands before PostgreSQL')
  })
})

test('a schema with an odd name is quoted everywhere, its channel too', async () => {
  const connection = await harness.server.createDatabase()
  const odd = readSchemaName('Odd "feed"')
  for (const statement of migrationStatements(odd)) await query(connection, statement)
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const options = { connection, target, schema: odd.name, busyRows: 1, leaseMs: 300 }
  const invalidator = harness.invalidator(options)
  await invalidator.start()
  for (const name of ['a', 'b', 'c']) {
    await site.query(`WITH row AS (INSERT INTO ${odd.of('feed')} (rule, selector) VALUES ('odd', '${name}') RETURNING id)
                      SELECT ${odd.of('wake')}() FROM row`)
  }
  await until('all are evicted', () => target.evicted.has('c'))
  await until('it sleeps', () => invalidator.status().wakeUp === 'notify')
  await invalidator.settledEverywhere(site)
})

describe('the clock that a reader holds a lease against', () => {
  const isNeverAhead = async (sql: string) => {
    const times = `SELECT ${sql} <= extract(epoch FROM clock_timestamp()) * 1000 AS holds FROM generate_series(1, 5000)`
    const [row] = await query(await harness.database(), `SELECT bool_and(holds) AS holds FROM (${times}) AS t`)
    return row?.holds
  }

  test('is never ahead of that of writers, who would still skip their NOTIFY', async () => {
    expect(await isNeverAhead(nowMsSql)).toBe(true)
  })

  test('twin: rounded to the nearest millisecond, it is', async () => {
    expect(await isNeverAhead(nowMsSql.replace('floor', ''))).toBe(false)
  })
})
