/** Old rows leave the feed, and whoever has not read them can tell. */
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { expect, it } from 'vitest'
import { tidyFeed } from '../../../../../src/invalidators/postgres/feed/janitor.js'
import { rotateSql } from '../../../../../src/invalidators/postgres/feed/schema/003-rotate.sql.js'
import { readSchemaName } from '../../../../../src/invalidators/postgres/feed/schema/quoting.js'
import { Shop } from './shop.js'

const shop = Shop.use()
const schema = readSchemaName('pagekeep')

const asking = (client: pg.Client) => ({
  query: async (sql: string, values: readonly unknown[]) => (await client.query(sql, [...values])).rows,
})
const tidy = (client: pg.Client, retentionMs?: number) => tidyFeed(asking(client), schema, retentionMs)
const write = (client: pg.Client, selector: string, hoursAgo = 0) =>
  client.query(`INSERT INTO pagekeep.feed (rule, selector, at) VALUES ('t', $1, now() - $2 * interval '1 hour')`, [
    selector,
    hoursAgo,
  ])
const state = async (client: pg.Client) => {
  const { rows } =
    await client.query(`SELECT pg_sequence_last_value('pagekeep.slot')::int AS slot, low_water::text AS low,
    (SELECT string_agg(slot || selector, ' ' ORDER BY slot, id) FROM pagekeep.feed) AS rows FROM pagekeep.feed_state`)
  return rows[0] as { slot: number; low: string; rows: string | null }
}

it('tidyFeed() leaves rows alone until they are past retention, then goes round', async () => {
  const { client } = await shop.open({})
  expect(await tidy(client)).toEqual({ outcome: 'tidy', emptied: 0, hasAdvanced: false })
  await write(client, 'a', 11)
  expect(await tidy(client)).toMatchObject({ hasAdvanced: false })
  await client.query(`UPDATE pagekeep.feed SET at = at - interval '2 hours'`)
  expect(await tidy(client)).toMatchObject({ emptied: 0, hasAdvanced: true })
  await write(client, 'b', 0)
  expect(await state(client)).toEqual({ slot: 1, low: '0', rows: '0a 1b' })
  await client.query(`UPDATE pagekeep.feed SET at = at - interval '14 hours'`)
  const { rows } = await client.query('SELECT xid::text AS xid FROM pagekeep.feed_0')
  expect(await tidy(client)).toEqual({ outcome: 'tidy', emptied: 1, hasAdvanced: true })
  expect(await state(client)).toEqual({ slot: 2, low: rows[0]?.xid, rows: '1b' })
})

it('tidyFeed() lets a partition grow rather than write to one that is not empty', async () => {
  const { client } = await shop.open({})
  await write(client, 'a', 13)
  await tidy(client)
  await write(client, 'b', 13)
  await tidy(client)
  await write(client, 'c', 13)
  expect(await tidy(client)).toEqual({ outcome: 'tidy', emptied: 0, hasAdvanced: false })
  expect(await state(client)).toMatchObject({ slot: 2, rows: '0a 1b 2c' })
})

/** Rows of the old partition are past retention, and one more is there whose transaction is still open. */
async function withOpenWriter(client: pg.Client, writer: pg.Client): Promise<void> {
  await write(client, 'a', 13)
  await writer.query('BEGIN')
  await writer.query(`INSERT INTO pagekeep.feed (rule, selector) VALUES ('t', 'late')`)
  expect(await tidy(client)).toEqual({ outcome: 'tidy', emptied: 0, hasAdvanced: true })
  await client.query(`UPDATE pagekeep.feed SET at = at - interval '12 hours'`)
}

it('tidyFeed() waits for a transaction that holds rows of the old partition, and does not lose them', async () => {
  const { database, client } = await shop.open({})
  const writer = await shop.client(database)
  await withOpenWriter(client, writer)
  expect(await tidy(client)).toMatchObject({ outcome: 'waiting', emptied: 0 })
  await writer.query('COMMIT')
  expect(await tidy(client)).toMatchObject({ emptied: 0 })
  expect(await state(client)).toEqual({ slot: 1, low: '0', rows: '0a 0late' })
})

/** A janitor that waits for the lock, with the check after the lock or without. */
async function janitorThatWaits(hasCheck: boolean): Promise<{ outcome: string; rows: string | null }> {
  const { database, client } = await shop.open({})
  const [writer, other] = [await shop.client(database), await shop.client(database)]
  const function_ = rotateSql(schema)
    .replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION')
    .replace("lock_timeout = '200ms'", "lock_timeout = '60s'")
  const check = 'IF late_newest > cutoff THEN RAISE lock_not_available; END IF;'
  expect(function_).toContain(check)
  await client.query(hasCheck ? function_ : function_.replace(check, ''))
  await withOpenWriter(client, writer)
  const emptying = tidy(client)
  const isWaiting = async () => {
    const { rows } = await other.query(
      `SELECT FROM pg_locks WHERE NOT granted AND relation = 'pagekeep.feed_0'::regclass`,
    )
    return rows.length > 0
  }
  await expect.poll(isWaiting, { timeout: 120_000 }).toBe(true)
  await writer.query('COMMIT')
  const { outcome } = await emptying
  return { outcome, rows: (await state(client)).rows }
}

it('tidyFeed() looks again once it has the lock: what was committed meanwhile stays', async () => {
  expect(await janitorThatWaits(true)).toEqual({ outcome: 'waiting', rows: '0a 0late' })
})

it('tidyFeed() without the second look would throw it away', async () => {
  expect((await janitorThatWaits(false)).rows).toBeNull()
})

it('tidyFeed() gives up a lock that a reader holds, and holds none itself', async () => {
  const { database, client } = await shop.open({})
  const reader = await shop.client(database)
  await write(client, 'a', 13)
  await tidy(client)
  await client.query(`UPDATE pagekeep.feed SET at = at - interval '12 hours'`)
  await reader.query('BEGIN; SELECT * FROM pagekeep.feed')
  expect(await tidy(client)).toMatchObject({ outcome: 'waiting' })
  await reader.query('ROLLBACK')
  expect(await tidy(client)).toMatchObject({ outcome: 'tidy', emptied: 1 })
})

it('tidyFeed() leaves it to the one who does it already', async () => {
  const { database, client } = await shop.open({})
  const other = await shop.client(database)
  await other.query(`BEGIN; SELECT pagekeep.rotate('1 day')`)
  expect(await tidy(client)).toMatchObject({ outcome: 'busy' })
  await other.query('ROLLBACK')
  expect(await tidy(client)).toMatchObject({ outcome: 'tidy' })
})

it('tidyFeed() raises the low-water mark with every emptying, also when rows of a long transaction go late', async () => {
  const { database, client } = await shop.open({})
  const long = await shop.client(database)
  await long.query('BEGIN; SELECT pg_current_xact_id()')
  const { rows } = await long.query('SELECT pg_current_xact_id()::text AS xid')
  const empty = async () => {
    await client.query(`UPDATE pagekeep.feed SET at = at - interval '2 days'`)
    expect(await tidy(client)).toMatchObject({ emptied: 1 })
    return BigInt((await state(client)).low)
  }
  await write(client, 'young')
  const first = await empty()
  expect(first).toBeGreaterThan(BigInt(rows[0].xid))
  await long.query(`INSERT INTO pagekeep.feed (rule, selector) VALUES ('t', 'old'); COMMIT`)
  expect(await empty()).toBeGreaterThan(first)
})

it('a reader misses no row without noticing, whatever the janitor does', async () => {
  const { database } = await shop.open({})
  const [janitor, reader, ...writers] = await Promise.all(Array.from({ length: 6 }, () => shop.client(database)))
  if (janitor === undefined || reader === undefined) throw new Error('no clients')
  const committed: { tag: string; xid: bigint }[] = []
  let isOver = false
  const writing = writers.map(async (writer, w) => {
    for (let n = 0; n < 150; n++) {
      const tag = `${w}/${n}`
      await writer.query('BEGIN')
      const insert = `INSERT INTO pagekeep.feed (rule, tag) VALUES ('t', $1) RETURNING xid::text`
      const { rows } = await writer.query<{ xid: string }>(insert, [tag])
      if (n % 5 === 0) await writer.query('SELECT pg_sleep(0.02)')
      const fails = n % 7 === 0
      await writer.query(fails ? 'ROLLBACK' : 'COMMIT')
      if (!fails) committed.push({ tag, xid: BigInt(rows[0]?.xid ?? 0) })
    }
  })
  const emptying = (async () => {
    let emptied = 0
    while (!isOver) emptied += (await tidy(janitor, 5)).emptied
    return emptied
  })()
  const seen = new Set<string>()
  // What a node that noticed has emptied its store of: all that was visible then.
  const forgotten: string[] = []
  let cursor: { s: string; low: string } | undefined
  const read = async () => {
    const { rows } = await reader.query<{ s: string; low: string; tag: string | null }>(
      `SELECT pg_current_snapshot()::text AS s, low_water::text AS low, q.tag FROM pagekeep.feed_state LEFT JOIN pagekeep.feed q
         ON q.xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(q.xid, $1::pg_snapshot)`,
      [cursor?.s ?? '1:1:'],
    )
    for (const { tag } of rows) if (tag !== null) seen.add(tag)
    const { s = '', low = '' } = rows[0] ?? {}
    if (low !== cursor?.low && BigInt(cursor?.s.split(':')[0] ?? 1) <= BigInt(low)) forgotten.push(s)
    cursor = { s, low }
  }
  for (let isLast = false; !isLast; ) {
    isLast = committed.length > 500
    if (isLast) await Promise.all(writing)
    const before = [...committed]
    await read()
    const isCovered = (xid: bigint) => forgotten.some((snapshot) => isVisible(xid, snapshot))
    expect(before.filter(({ tag, xid }) => !seen.has(tag) && !isCovered(xid))).toEqual([])
  }
  isOver = true
  expect(await emptying).toBeGreaterThan(3)
  expect(forgotten.length).toBeGreaterThan(0)
  expect(seen.size).toBeGreaterThan(0)
})

function isVisible(xid: bigint, snapshot: string): boolean {
  const [xmin = '0', xmax = '0', open = ''] = snapshot.split(':')
  return xid < BigInt(xmin) || (xid < BigInt(xmax) && !open.split(',').includes(String(xid)))
}

it('roleSql() lets a listener do its work and nothing else', async () => {
  const { database, client } = await shop.open()
  const listener = `listener "${database.slice(-5)}"`
  const quoted = `"${listener.replaceAll('"', '""')}"`
  await client.query(`CREATE ROLE ${quoted}`)
  const sql = new FeedSchema().roleSql({ writer: 'app', listener })
  expect(sql).toContain('-- "app" needs nothing')
  await client.query(sql)
  await client.query(`SET ROLE ${quoted}`)
  for (const allowed of [
    'LISTEN pagekeep',
    'SELECT * FROM pagekeep.feed_state LEFT JOIN pagekeep.feed ON true',
    'SELECT version FROM pagekeep.migration',
    'SELECT last_value FROM pagekeep.lease',
    `SELECT setval('pagekeep.lease', 5), pg_notify('pagekeep', '')`,
    `INSERT INTO pagekeep.node AS n (name, seen_at) VALUES ('w', now()) ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at`,
    'DELETE FROM pagekeep.node',
    'SELECT system_identifier FROM pg_control_system()',
    'SELECT pg_current_xact_id()',
  ]) {
    await client.query(allowed)
  }
  await client.query(
    `RESET ROLE; INSERT INTO pagekeep.feed (rule, tag, at) VALUES ('t', 't', now() - interval '2 days')`,
  )
  await client.query(`SET ROLE ${quoted}`)
  expect(await tidy(client)).toEqual({ outcome: 'tidy', emptied: 1, hasAdvanced: true })
  for (const refused of [
    'SELECT * FROM shop.products',
    `INSERT INTO pagekeep.feed (rule, tag) VALUES ('x', 'y')`,
    'DELETE FROM pagekeep.feed',
    'TRUNCATE pagekeep.feed_0',
    'UPDATE pagekeep.feed_state SET low_water = $$9$$',
    `SELECT setval('pagekeep.slot', 2)`,
    `SELECT pagekeep.wake()`,
    'DELETE FROM pagekeep.migration',
    'CREATE TABLE pagekeep.mine (x int)',
  ]) {
    await expect(client.query(refused), refused).rejects.toMatchObject({ code: '42501' })
  }
  await client.query(`RESET ROLE; DROP OWNED BY ${quoted}; DROP ROLE ${quoted}`)
})
