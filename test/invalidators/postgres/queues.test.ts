import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache, route } from 'pagekeep'
import { rule } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { describe, expect, test } from 'vitest'
import { query } from '../../support/postgres.js'
import { count, gate, Harness, next, until } from './harness.js'
import { dateRule, day, news, portPage, portRule } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()

describe('a sweep', () => {
  test('clears on start what was queued while nobody listened', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query("INSERT INTO cache_clearing_ports (category, port) VALUES ('devel', 'py-x'), ('www', 'nginx')")
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    const swept = next(invalidator, 'swept')
    await invalidator.start()
    expect(await swept).toEqual({ rows: 2 })
    const ports = ['ports/devel/py-x/index.html', 'ports/www/nginx/index.html']
    expect(target.evicted).toEqual(new Set([...ports, 'categories/devel.html', 'categories/www.html', 'news/*.html']))
    expect(await count(site, 'cache_clearing_ports')).toBe(0)
  })

  test('finds a row that came without a NOTIFY', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target, sweepIntervalMs: 50 })
    await invalidator.start()
    await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
    await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  })

  test('comes back for rows that a writer has locked', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'), ('2020-01-09')")
    await site.query('BEGIN; SELECT FROM cache_clearing_dates WHERE id = 1 FOR UPDATE')
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    expect(target.evicted).toContain('daily/2020/01/09.daily.*')
    expect(target.evicted).not.toContain('daily/2020/01/08.daily.*')
    await site.query('COMMIT')
    await until('the other day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  })
})

describe('a NOTIFY', () => {
  test('with an empty queue evicts nothing', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    target.calls.length = 0
    await site.query('NOTIFY port_updated; NOTIFY date_updated; NOTIFY vuxml')
    await until('the rule without a queue has answered', () => target.calls.length > 0)
    expect(target.calls).toEqual([['news/*.html']])
    expect(invalidator.status()).toMatchObject({ state: 'listening', lastError: undefined })
  })

  test('is heard on a channel with capitals, blanks and quotes in its name', async () => {
    const connection = await harness.database('CREATE TABLE listen_for (name text)')
    const site = await harness.client(connection)
    const channel = 'Page "Cache" 1'
    await site.query('INSERT INTO listen_for VALUES ($1)', [channel])
    const target = new RecordingTarget()
    const rules = [rule({ channel, evict: () => ({ tag: 'heard' }) })]
    const invalidator = harness.invalidator({ connection, target, rules })
    await invalidator.start()
    target.calls.length = 0
    await site.query('SELECT pg_notify($1, $2)', [channel, 'payload'])
    await until('it is heard', () => target.evicted.has('tag:heard'))
  })

  test('repeated a hundred times while an eviction is at work costs a turn or two, not a hundred', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    target.calls.length = 0
    const working = gate()
    const begun = gate()
    target.onEvict = async () => {
      begun.open()
      await working.opened
    }
    await site.query('NOTIFY vuxml')
    await begun.opened
    for (let n = 0; n < 100; n++) await site.query('NOTIFY vuxml')
    working.open()
    await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
    await until('what came after is done', () => target.evicted.has('daily/2020/01/08.daily.*'))
    const turns = target.calls.filter(([first]) => first === 'news/*.html').length
    expect(turns).toBeGreaterThanOrEqual(2)
    expect(turns).toBeLessThan(10)
  })
})

describe('a queue', () => {
  test('gives a date as the day that it is, in whatever time zone the process is', async () => {
    const zone = process.env.TZ
    harness.onEnd(async () => {
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    })
    const connection = await harness.database()
    await query(connection, "ALTER ROLE postgres SET DateStyle = 'German'")
    harness.onEnd(() => query(connection, 'ALTER ROLE postgres RESET DateStyle'))
    await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2026-03-29')")
    for (const TZ of ['Asia/Tokyo', 'America/New_York', 'Europe/Madrid']) {
      process.env.TZ = TZ
      const target = new RecordingTarget()
      const invalidator = harness.invalidator({ connection, target })
      await invalidator.start()
      expect(target.evicted).toContain('daily/2026/03/29.daily.*')
      await invalidator.stop()
      await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2026-03-29')")
    }
  })

  test('may have any name in any schema, and any id that can be ordered', async () => {
    const connection = await harness.database(`
      CREATE SCHEMA "Old Site";
      CREATE TABLE "Old Site"."Clear.Me" (commit_to_clear text PRIMARY KEY, "Flag ""x""" boolean, num numeric);
      INSERT INTO "Old Site"."Clear.Me" VALUES ('b', true, 1.50), ('a', NULL, 2)`)
    const rows: unknown[] = []
    const odd = rule({
      channel: 'odd',
      queue: {
        table: '"Old Site"."Clear.Me"',
        columns: ['commit_to_clear', 'num'],
        nullableColumns: ['Flag "x"'],
        id: 'commit_to_clear',
      },
      evict(row) {
        rows.push({ ...row })
        return { tag: row.commit_to_clear }
      },
    })
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target, rules: [odd], listenFor: false, batchRows: 1 })
    await invalidator.start()
    expect(rows).toEqual([
      { commit_to_clear: 'a', num: '2', 'Flag "x"': null },
      { commit_to_clear: 'b', num: '1.50', 'Flag "x"': 'true' },
    ])
    expect(await count(await harness.client(connection), '"Old Site"."Clear.Me"')).toBe(0)
  })

  test('may be partitioned', async () => {
    const connection = await harness.database(`
      CREATE TABLE q (id bigint, what text) PARTITION BY LIST (what);
      CREATE TABLE q_a PARTITION OF q FOR VALUES IN ('a');
      CREATE TABLE q_b PARTITION OF q FOR VALUES IN ('b');
      INSERT INTO q VALUES (1, 'a'), (2, 'b'), (3, 'a')`)
    const target = new RecordingTarget()
    const rules = [
      rule({ channel: 'q', queue: { table: 'q', columns: ['what'] }, evict: ({ what }) => ({ tag: what }) }),
    ]
    const invalidator = harness.invalidator({ connection, target, rules, listenFor: false, batchRows: 1 })
    await invalidator.start()
    expect(target.evicted).toEqual(new Set(['tag:a', 'tag:b']))
    expect(await count(await harness.client(connection), 'q')).toBe(0)
  })

  test('needs no more than SELECT and DELETE', async () => {
    const connection = await harness.database()
    await query(
      connection,
      `CREATE ROLE listening LOGIN PASSWORD 'x'; GRANT SELECT ON listen_for TO listening;
       GRANT SELECT, DELETE ON cache_clearing_ports, cache_clearing_dates TO listening;
       INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'), ('2020-01-09')`,
    )
    const site = await harness.client(connection)
    // Without the right to lock rows, a locked one is waited for, briefly, and set aside at last.
    await site.query('BEGIN; SELECT FROM cache_clearing_dates WHERE id = 1 FOR UPDATE')
    const target = new RecordingTarget()
    const asListening = connection.replace('postgres:let-me-in', 'listening:x')
    const invalidator = harness.invalidator({ connection: asListening, target })
    await invalidator.start()
    await site.query('COMMIT')
    await until('both days are evicted', () => {
      return target.evicted.has('daily/2020/01/08.daily.*') && target.evicted.has('daily/2020/01/09.daily.*')
    })
    // Evicted first, committed after.
    await until('the rows are gone', async () => (await count(site, 'cache_clearing_dates')) === 0)
  })

  test('that is busy does not starve the others', async () => {
    const connection = await harness.database()
    await query(
      connection,
      `INSERT INTO cache_clearing_ports (category, port) SELECT 'devel', 'p' || n FROM generate_series(1, 400) AS n;
       INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')`,
    )
    const target = new RecordingTarget()
    await harness.invalidator({ connection, target, batchRows: 10 }).start()
    const dayAt = target.calls.findIndex((selectors) => selectors.includes('daily/2020/01/08.daily.*'))
    expect(dayAt).toBeLessThan(6)
    expect(target.calls.length).toBeGreaterThan(40)
  })
})

describe('end to end on a disk', () => {
  async function diskCache() {
    const parent = await mkdtemp(join(tmpdir(), 'pagekeep-queues-'))
    const directory = join(parent, 'var', 'cache')
    const cache = createCache({ store: new DiskStore({ directory }) })
    harness.onEnd(async () => {
      await cache.close()
      await rm(parent, { recursive: true, force: true })
    })
    return { cache, directory }
  }

  test('a backlog of 21,000 rows that was queued while the listener was down is cleared on start, without a NOTIFY', async () => {
    const { cache, directory } = await diskCache()
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query(
      `INSERT INTO cache_clearing_ports (category, port) SELECT 'c' || n % 60, 'p' || n FROM generate_series(1, 21000) AS n`,
    )
    const kept = portPage.key({ category: 'c7', name: 'p7' })
    const other = portPage.key({ category: 'c7', name: 'not-queued' })
    for (const key of [kept, other]) await cache.getOrRender(key, () => 'old')
    const invalidator = harness.invalidator({ connection, target: cache, rules: [portRule], listenFor: false })
    await invalidator.start()
    expect(await count(site, 'cache_clearing_ports')).toBe(0)
    expect(existsSync(join(directory, kept))).toBe(false)
    expect(existsSync(join(directory, other))).toBe(true)
    expect(invalidator.status().queues[0]).toMatchObject({ cleared: 21_000, backlog: 21_000 })
  })

  test('a cache directory that does not exist yet is no error', async () => {
    const { cache, directory } = await diskCache()
    const connection = await harness.database()
    await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
    const invalidator = harness.invalidator({ connection, target: cache })
    await invalidator.start()
    expect(invalidator.status().lastError).toBeUndefined()
    const key = day.key({ date: '2020-01-08', branch: 'head' })
    await cache.getOrRender(key, () => 'new')
    expect(existsSync(join(directory, key))).toBe(true)
  })

  test('news are cleared completely, also pages that were put there by hand and in directories below', async () => {
    const { cache, directory } = await diskCache()
    const feeds = route('news/{feed}/{format}.xml')
    const keys = [
      news.key({ page: 'index' }),
      news.key({ page: 'zwei.drei' }),
      feeds.key({ feed: 'new-ports', format: 'atom' }),
    ]
    const connection = await harness.database()
    const site = await harness.client(connection)
    const everyNews = rule({ channel: 'vuxml', evict: () => [news.pattern(), feeds.pattern()] })
    const invalidator = harness.invalidator({ connection, target: cache, rules: [portRule, dateRule, everyNews] })
    await invalidator.start()
    for (const key of keys) await cache.getOrRender(key, () => 'old')
    await cache.getOrRender('other/page.html', () => 'old')
    await site.query('NOTIFY vuxml')
    await until('they are gone', () => keys.every((key) => !existsSync(join(directory, key))))
    expect(existsSync(join(directory, 'other/page.html'))).toBe(true)
  })
})
