/** Read your writes: on this node, on all of them, and what keeps one from it. */
import { describe, expect, test } from 'vitest'
import { covers, parseSnapshot } from '../../../../../src/invalidators/postgres/feed/snapshot.js'
import { query } from '../../../../support/postgres.js'
import { until } from '../../harness.js'
import { MapState, RecordingTarget } from '../../recording-target.js'
import { begin, FeedHarness, insert, key, pg } from './feed-harness.js'

const harness = FeedHarness.use()

async function open(options = {}) {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target, ...options })
  await invalidator.start()
  return { connection, site, target, invalidator }
}

describe('settled()', () => {
  test('resolves when what the client has committed is evicted', async () => {
    const { site, target, invalidator } = await open()
    for (let n = 0; n < 20; n++) {
      await site.query(insert(`p${n}`))
      await invalidator.settled(site)
      expect(target.evicted).toContain(key(`p${n}`))
    }
  })

  test('does not resolve before, and does not wait for transactions of others', async () => {
    const { connection, site, target, invalidator } = await open()
    const other = await harness.client(connection)
    await begin(other, 'READ COMMITTED', insert('open'))
    let release = () => {}
    target.onEvict = () => new Promise((resolve) => (release = resolve))
    await site.query(insert('a'))
    let isSettled = false
    const settled = invalidator.settled(site).then(() => {
      isSettled = true
    })
    await until('it is being evicted', () => target.evicted.has(key('a')))
    await expect(invalidator.settled(site, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'not-settled' })
    expect(isSettled).toBe(false)
    release()
    await settled
  })

  test('takes a pool, a transaction, and a place in the log', async () => {
    const { connection, site, target, invalidator } = await open()
    const pool = new pg.Pool({ connectionString: connection, max: 2 })
    harness.onEnd(() => pool.end())
    await pool.query(insert('by-pool'))
    await invalidator.settled(pool)
    expect(target.evicted).toContain(key('by-pool'))
    await begin(site, 'READ COMMITTED', insert('by-xid'))
    const { rows } = await site.query('SELECT pg_current_xact_id()::text AS xid')
    await expect(invalidator.settled({ xid: rows[0]?.xid }, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'not-settled',
    })
    await site.query('COMMIT')
    await invalidator.settled({ xid: rows[0]?.xid })
    expect(target.evicted).toContain(key('by-xid'))
    await site.query(insert('by-lsn'))
    const at = await site.query('SELECT pg_current_wal_insert_lsn()::text AS lsn')
    await invalidator.settled({ lsn: at.rows[0]?.lsn })
    expect(target.evicted).toContain(key('by-lsn'))
    await expect(invalidator.settled({ lsn: 'FF/0' }, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'not-settled' })
  })

  test.each(['BEGIN', 'BEGIN; SELECT 1 / 0'])('refuses a client inside a transaction (%s)', async (sql) => {
    const { site, invalidator } = await open()
    await site.query(sql).catch(() => {})
    await expect(invalidator.settled(site)).rejects.toMatchObject({ code: 'in-transaction' })
    await site.query('ROLLBACK')
    await invalidator.settled(site)
  })

  test.each(['BEGIN', 'BEGIN; SELECT 1 / 0'])(
    'refuses one that does not tell its status, or not yet (%s)',
    async (sql) => {
      const { site, invalidator } = await open()
      const plain = { query: (sql: string) => site.query(sql) }
      await invalidator.settled(plain)
      await site.query(sql).catch(() => {})
      await expect(invalidator.settled(plain)).rejects.toMatchObject({ code: 'in-transaction' })
      await site.query('ROLLBACK')
    },
  )

  test('refuses a client of another database', async () => {
    const { invalidator } = await open()
    const other = await harness.client(await harness.database())
    await expect(invalidator.settled(other)).rejects.toMatchObject({
      code: 'not-settled',
      message: expect.stringContaining('another database'),
    })
  })

  test.each([undefined, {}, { xid: 'x' }, { lsn: 'here' }])('refuses %j', async (input) => {
    const { invalidator } = await open()
    await expect(invalidator.settled(input as never)).rejects.toThrow(TypeError)
  })

  test('rejects when it is not running', async () => {
    const { site, invalidator } = await open()
    await invalidator.stop()
    await expect(invalidator.settled(site)).rejects.toMatchObject({ code: 'closed' })
  })

  test('works in a process that stands by, through the cursor beside the pages', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const state = new MapState()
    const [first, second] = [new RecordingTarget(state), new RecordingTarget(state)]
    await harness.invalidator({ connection, target: first, saveEveryMs: 3_600_000 }).start()
    const standby = harness.invalidator({ connection, target: second })
    await standby.start()
    expect(standby.status().state).toBe('standing-by')
    await site.query(insert('a'))
    await standby.settled(site)
    expect(first.evicted).toContain(key('a'))
    // Nothing of the feed: the cursor moves all the same.
    await site.query('CREATE TABLE other ()')
    await standby.settled(site)
    expect(second.calls).toEqual([])
  })
})

describe('settledEverywhere()', () => {
  test('resolves when every node has evicted it, and names those that lag', async () => {
    const { connection, site, target, invalidator } = await open({ node: 'web-1' })
    const slow = new RecordingTarget()
    await harness.invalidator({ connection, target: slow, node: 'web-2' }).start()
    await site.query(insert('a'))
    await invalidator.settledEverywhere(site)
    expect(target.evicted).toContain(key('a'))
    expect(slow.evicted).toContain(key('a'))
    let release = () => {}
    slow.onEvict = () => new Promise((resolve) => (release = resolve))
    await site.query(insert('b'))
    await expect(invalidator.settledEverywhere(site, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'not-settled',
      nodes: ['web-2'],
      message: expect.stringContaining('"web-2"'),
    })
    release()
    await invalidator.settledEverywhere(site)
    expect(slow.evicted).toContain(key('b'))
  })

  test('waits for a node that is silent, unless told how long that may be; not for one that stopped in order', async () => {
    const { connection, site, invalidator } = await open({ node: 'web-1' })
    await query(
      connection,
      `INSERT INTO pagekeep.node (name, cursor, state, seen_at)
      VALUES ('dead', '3:3:', 'listening', now() - interval '1 hour'), ('gone', '3:3:', 'stopped', now())`,
    )
    await site.query(insert('a'))
    await expect(invalidator.settledEverywhere(site, { timeoutMs: 100 })).rejects.toMatchObject({ nodes: ['dead'] })
    await invalidator.settledEverywhere(site, { ignoreSilentMs: 60_000 })
  })
})

describe('covers()', () => {
  const does = (later: string, earlier: string) => covers(parseSnapshot(later), parseSnapshot(earlier))

  test('holds one snapshot against another', () => {
    expect(does('10:10:', '10:10:')).toBe(true)
    expect(does('11:11:', '10:10:')).toBe(true)
    expect(does('10:10:', '11:11:')).toBe(false)
    // 10 is open in both: nothing of it is waited for.
    expect(does('10:14:10', '10:12:10')).toBe(true)
    expect(does('10:14:10', '11:12:')).toBe(false)
    // What ended in the one was open in the other, at its end.
    expect(does('10:10:', '10:12:10,11')).toBe(true)
    expect(does('10:10:', '10:12:10')).toBe(false)
  })
})
