/** A hot standby as the source: pages that are rendered from it are evicted when it has replayed the change. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SnapshotSource } from '../../../../../src/invalidators/postgres/feed/table-source.js'
import { query } from '../../../../support/postgres.js'
import { type StandbyServer, startStandby } from '../../../../support/standby.js'
import { next, until } from '../../harness.js'
import { MapState, RecordingTarget } from '../../recording-target.js'
import { begin, FeedHarness, insert, key, schema } from './feed-harness.js'

const harness = FeedHarness.use()
let standby: StandbyServer

beforeAll(async () => {
  standby = await startStandby(harness.server.connectionString())
})
afterAll(() => standby.stop())

/** A database on both servers. */
async function both() {
  const primary = await harness.database()
  await standby.caughtUp()
  return { primary, replica: standby.connectionString(new URL(primary).pathname.slice(1)) }
}

describe('a transaction that is open on the primary when another commits', () => {
  async function play(parts = {}) {
    const { primary, replica } = await both()
    const [a, b] = [await harness.client(primary), await harness.client(primary)]
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection: replica, target, pollMs: 10 }, parts)
    await invalidator.start()
    expect(invalidator.status()).toMatchObject({ source: 'standby', wakeUp: 'poll' })
    await begin(a, 'READ COMMITTED', insert('a'))
    await b.query(insert('b'))
    await invalidator.settled(b)
    expect(target.evicted).toContain(key('b'))
    await a.query('COMMIT')
    await invalidator.settled(a)
    return target
  }

  test('is read when it has committed, and what was read before is not evicted again', async () => {
    const target = await play()
    expect(target.evicted).toContain(key('a'))
    expect(target.calls.flat().filter((selector) => selector === key('b'))).toHaveLength(1)
  })

  test('control: is lost to who believes a snapshot of the standby', async () => {
    class Believing extends SnapshotSource {
      override readonly kind = 'standby' as never
      // Its positions: without them nothing could be waited for.
      override async read(...args: Parameters<SnapshotSource['read']>) {
        const [row] = await args[0].query('SELECT pg_last_wal_replay_lsn()::text AS lsn')
        const page = await super.read(...args)
        return { ...page, cursor: { ...page.cursor, lsn: row?.lsn ?? '0/0' } }
      }
    }
    expect((await play({ source: () => new Believing(schema) })).evicted).not.toContain(key('a'))
  })
})

test('the cursor is taken up on the same standby, and the store is emptied when the primary becomes the source', async () => {
  const { primary, replica } = await both()
  const site = await harness.client(primary)
  const state = new MapState()
  const first = harness.invalidator({ connection: replica, target: new RecordingTarget(state), pollMs: 10 })
  await first.start()
  await first.stop()
  await site.query(insert('meanwhile'))
  const again = new RecordingTarget(state)
  const second = harness.invalidator({ connection: replica, target: again, pollMs: 10 })
  await second.start()
  await second.settled(site)
  expect(again.calls).toEqual([[key('meanwhile')]])
  await second.stop()
  const third = harness.invalidator({ connection: primary, target: new RecordingTarget(state) })
  const emptied = next(third as never, 'emptied')
  await third.start()
  expect(await emptied).toMatchObject({ reason: 'source' })
})

test('a standby is not told of nodes, and processes of a node still take turns there', async () => {
  const { primary, replica } = await both()
  const state = new MapState()
  await harness.invalidator({ connection: replica, target: new RecordingTarget(state), pollMs: 10 }).start()
  const second = harness.invalidator({ connection: replica, target: new RecordingTarget(state), pollMs: 10 })
  await second.start()
  expect(second.status().state).toBe('standing-by')
  expect(await query(primary, 'SELECT FROM pagekeep.node')).toEqual([])
})

describe('a standby that is promoted', () => {
  test('is noticed by who reads from it: the store is emptied, and it listens from then on', async () => {
    const { primary, replica } = await both()
    const own = await startStandby(primary)
    harness.onEnd(() => own.stop())
    const connection = own.connectionString(new URL(replica).pathname.slice(1))
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target, pollMs: 10 })
    await invalidator.start()
    const emptied = next(invalidator as never, 'emptied')
    await own.promote()
    expect((await emptied).reason).toMatch(/timeline|source/)
    const site = await harness.client(connection)
    await until('it listens', () => invalidator.status().wakeUp !== 'poll')
    await site.query(insert('after'))
    await invalidator.settled(site)
    expect(target.evicted).toContain(key('after'))
  })

  test('has another timeline at once: a cursor of the old primary is not believed there', async () => {
    const { primary } = await both()
    const own = await startStandby(primary)
    harness.onEnd(() => own.stop())
    const state = new MapState()
    const first = harness.invalidator({ connection: primary, target: new RecordingTarget(state) })
    await first.start()
    await first.stop()
    await own.caughtUp()
    await own.promote()
    const connection = own.connectionString(new URL(primary).pathname.slice(1))
    const second = harness.invalidator({ connection, target: new RecordingTarget(state) })
    const emptied = next(second as never, 'emptied')
    await second.start()
    expect((await emptied).reason).toBe('timeline')
  })
})
