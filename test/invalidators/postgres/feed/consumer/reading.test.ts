/** Which rows are read: each once, in whatever order transactions end, and none of those that did not commit. */
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../../../../src/invalidators/postgres/connection.js'
import type { Cursor, FeedPage, FeedSource } from '../../../../../src/invalidators/postgres/feed/feed-source.js'
import { SnapshotSource } from '../../../../../src/invalidators/postgres/feed/table-source.js'
import { next, until } from '../../harness.js'
import { RecordingTarget } from '../../recording-target.js'
import { begin, FeedHarness, insert, key, ring, schema } from './feed-harness.js'

const harness = FeedHarness.use()

/** Remembers the last id, as a queue is often read. Control only. */
class LastIdSource extends SnapshotSource implements FeedSource {
  #lastId = 0n

  override async read(...[connection, , limit]: Parameters<FeedSource['read']>): Promise<FeedPage> {
    const page = await super.read(connection, { snapshot: '1:1:', lowWater: '0' } satisfies Cursor, limit)
    const rows = page.rows.filter(({ id }) => BigInt(id) > this.#lastId)
    for (const { id } of rows) if (BigInt(id) > this.#lastId) this.#lastId = BigInt(id)
    return { ...page, rows }
  }
}

describe('a transaction that took its id first and commits last', () => {
  async function play(parts = {}) {
    const connection = await harness.database()
    const target = new RecordingTarget()
    const [a, b] = [await harness.client(connection), await harness.client(connection)]
    const invalidator = harness.invalidator({ connection, target }, parts)
    await invalidator.start()
    await begin(a, 'READ COMMITTED', insert('a'))
    await begin(b, 'READ COMMITTED', insert('b'))
    await b.query('COMMIT')
    await until('b is evicted', () => target.evicted.has(key('b')))
    await a.query('COMMIT')
    await invalidator.settled(a)
    return target
  }

  test('is read', async () => {
    const target = await play()
    expect(target.calls.flat().filter((selector) => selector === key('b'))).toHaveLength(1)
    expect(target.evicted).toContain(key('a'))
  })

  test('control: is lost to who remembers the last id', async () => {
    const target = await play({ source: () => new LastIdSource(schema) })
    expect(target.evicted).not.toContain(key('a'))
  })
})

describe('what did not commit', () => {
  test('leaves nothing: rollback, savepoint, killed connection', async () => {
    const connection = await harness.database()
    const target = new RecordingTarget()
    const site = await harness.client(connection)
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    await begin(site, 'READ COMMITTED', insert('rolled-back'))
    await site.query('ROLLBACK')
    await begin(site, 'READ COMMITTED', 'SAVEPOINT s', insert('in-savepoint'), 'ROLLBACK TO s', insert('kept'))
    const victim = await harness.client(connection)
    await begin(victim, 'READ COMMITTED', insert('killed'))
    const { rows } = await victim.query('SELECT pg_backend_pid() AS pid')
    await site.query('COMMIT')
    await site.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await invalidator.settled(site)
    expect(target.calls.flat().filter((selector) => selector !== '**')).toEqual([key('kept')])
  })

  test('of a released savepoint is read with its transaction', async () => {
    const connection = await harness.database()
    const target = new RecordingTarget()
    const site = await harness.client(connection)
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    await begin(
      site,
      'SERIALIZABLE',
      'SAVEPOINT s',
      insert('nested'),
      'RELEASE s',
      'SAVEPOINT t',
      'ROLLBACK TO t',
      'COMMIT',
    )
    await invalidator.settled(site)
    expect(target.evicted).toContain(key('nested'))
  })
})

describe('many rows', () => {
  test('are read in pages, across a change of digits, each once, and evicted in slices', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const options = { connection, target, pageRows: 7, sliceSelectors: 3 }
    const invalidator = harness.invalidator(options)
    await invalidator.start()
    await site.query('BEGIN')
    for (let n = 1; n <= 120; n++) await site.query(insert(`p${n}`))
    await site.query('COMMIT')
    await invalidator.settled(site)
    const evicted = target.calls.flat().filter((selector) => selector !== '**')
    expect(evicted).toHaveLength(120)
    expect(new Set(evicted).size).toBe(120)
    expect(target.calls.every((call) => call.length <= 3)).toBe(true)
    expect(invalidator.status().rows).toBe(120)
  })

  test('of one name are evicted once', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    await begin(
      site,
      'READ COMMITTED',
      insert('a'),
      ...Array(50).fill('UPDATE page SET version = version + 1'),
      'COMMIT',
    )
    await invalidator.settled(site)
    expect(target.calls.flat().filter((selector) => selector === key('a'))).toHaveLength(1)
  })

  test('that come while pages are read are read too', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target, pageRows: 2 })
    await invalidator.start()
    let isFirst = true
    target.onEvict = async () => {
      if (!isFirst) return
      isFirst = false
      await site.query(insert('late'))
    }
    const writer = await harness.client(connection)
    await writer.query("INSERT INTO page SELECT 'p' || n, 1 FROM generate_series(1, 9) AS n")
    await until('all are evicted', () => target.evicted.size === 11)
  })
})

test('the read is planned once, while the feed is empty, and goes by its index for ever', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  let session: Connection | undefined
  class WatchedSource extends SnapshotSource {
    override read(...[on, ...rest]: Parameters<FeedSource['read']>): Promise<FeedPage> {
      session = on
      return super.read(on, ...rest)
    }
  }
  const invalidator = harness.invalidator({ connection }, { source: () => new WatchedSource(schema) })
  await invalidator.start()
  const planned = async () => {
    const lines = await session?.query("EXPLAIN EXECUTE pagekeep_feed('1', '-1', 2000, '1:1:')")
    return lines?.map((line) => line['QUERY PLAN']).join('\n')
  }
  expect(await planned()).toMatch(/Index Cond: \(ROW\(xid, id\) > ROW\(\$1, \$2\)\)/)
  expect(await planned()).not.toMatch(/Seq Scan on feed_\d/)
  await site.query("INSERT INTO page SELECT 'p' || n, 1 FROM generate_series(1, 3000) AS n")
  await invalidator.settled(site)
  expect(await planned()).not.toMatch(/Seq Scan on feed_\d|Sort {2}/)
  // Control: a plan by another way would be seen.
  await session?.query(
    "SELECT set_config('enable_seqscan', 'on', false), set_config('enable_indexscan', 'off', false), set_config('enable_sort', 'on', false)",
  )
  await session?.query('DISCARD PLANS')
  expect(await planned()).toMatch(/Seq Scan on feed_\d/)
})

describe('rows that cannot be read', () => {
  test.each([
    ["(rule, selector) VALUES ('mine', '../etc')", /row \d+ of transaction \d+, written for "mine"/],
    ["(rule, tag) VALUES ('mine', '')", /tag/],
    ["(rule) VALUES ('mine')", /neither a selector nor a tag/],
    ["(rule, selector, tag) VALUES ('mine', 'a', 'b')", /both a selector and a tag/],
  ])('%s: are told, and everything is evicted', async (values, message) => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    const calls = target.calls.length
    const fault = next(invalidator as never, 'error')
    await site.query(`INSERT INTO pagekeep.feed ${values}`)
    await site.query(insert('other'))
    await invalidator.settled(site)
    expect(await fault).toMatchObject({ code: 'feed-row-invalid', message: expect.stringMatching(message) })
    expect(target.calls.slice(calls).flat()).toContain('**')
    await site.query(insert('after'))
    await invalidator.settled(site)
    expect(target.evicted).toContain(key('after'))
  })
})

test('tags are evicted as tags', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  await site.query("INSERT INTO pagekeep.feed (rule, tag) VALUES ('page', 'port:1')")
  await site.query(ring)
  await until('it is evicted', () => target.evicted.has('tag:port:1'))
})
