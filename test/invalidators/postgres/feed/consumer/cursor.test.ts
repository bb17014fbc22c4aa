/** When the cursor beside the pages is believed, and that the store is emptied, by name, when it is not. */
import { hostname } from 'node:os'
import type { StoreState } from 'pagekeep'
import type { EmptiedReason } from 'pagekeep/invalidators/postgres'
import { describe, expect, test } from 'vitest'
import {
  cursorState,
  distrust,
  hasLost,
  type SavedCursor,
} from '../../../../../src/invalidators/postgres/feed/cursor-keeper.js'
import type { FeedPage, FeedSource } from '../../../../../src/invalidators/postgres/feed/feed-source.js'
import { SnapshotSource } from '../../../../../src/invalidators/postgres/feed/table-source.js'
import { query } from '../../../../support/postgres.js'
import { next, until } from '../../harness.js'
import { MapState, RecordingTarget } from '../../recording-target.js'
import { FeedHarness, insert, key, schema } from './feed-harness.js'

const harness = FeedHarness.use()

/** Starts once, changes something while it is down, starts again; answers why the store was emptied then, if it was. */
async function restart(change: (connection: string, state: MapState) => unknown, connection?: string) {
  const database = connection ?? (await harness.database())
  const state = new MapState()
  const first = harness.invalidator({ connection: database, target: new RecordingTarget(state) })
  await first.start()
  await first.stop()
  await query(database, insert(`meanwhile-${Math.random()}`))
  await change(database, state)
  const target = new RecordingTarget(state)
  const second = harness.invalidator({ connection: database, target })
  const reasons: EmptiedReason[] = []
  second.on('emptied', ({ reason }) => void reasons.push(reason))
  await second.start()
  return { reason: reasons[0], reasons, target, second, state, connection: database }
}

/** Changes the cursor beside the pages. */
const edit = (change: (saved: SavedCursor) => object) => (_: string, state: MapState) => {
  const saved = JSON.parse(state.texts.get(cursorState) ?? '') as SavedCursor
  state.texts.set(cursorState, JSON.stringify({ ...saved, ...change(saved) }))
}
const identity = (part: object) => edit((saved) => ({ identity: { ...saved.identity, ...part } }))

describe('a cursor that can be believed', () => {
  test('is taken up: what was committed meanwhile is evicted, and nothing else', async () => {
    const { reason, target } = await restart(() => {})
    expect(reason).toBeUndefined()
    expect(target.calls).toHaveLength(1)
    expect(target.calls.flat()[0]).toMatch(/^pages\/meanwhile/)
  })

  test('survives a restart of the server', async () => {
    const { reason, target } = await restart(() => harness.server.restart())
    expect(reason).toBeUndefined()
    expect(target.calls.flat()).toHaveLength(1)
  })

  test('is saved at once after evictions, and only now and then without', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const writes: string[] = []
    class CountingState extends MapState implements StoreState {
      override write(name: string, text: string): void {
        if (name === cursorState) writes.push(text)
        super.write(name, text)
      }
    }
    const target = new RecordingTarget(new CountingState())
    const invalidator = harness.invalidator({ connection, target, listen: false, pollMs: 1, saveEveryMs: 3_600_000 })
    await invalidator.start()
    const before = writes.length
    await site.query(insert('a'))
    await until('it is evicted', () => target.evicted.has(key('a')))
    await until('the cursor is saved', () => writes.length > before)
    const after = writes.length
    const cursor = invalidator.status().cursor
    await site.query('CREATE TABLE other ()')
    await until('it has read on', () => invalidator.status().cursor !== cursor)
    expect(writes.length).toBe(after)
  })
})

describe('the store is emptied, and why is told', () => {
  test.each<[EmptiedReason, (connection: string, state: MapState) => unknown]>([
    ['no-cursor', (_, state) => state.texts.delete(cursorState)],
    ['unreadable', (_, state) => state.texts.set(cursorState, '{"snapshot":"1:')],
    ['unreadable', (_, state) => state.texts.set(cursorState, '{"snapshot":"all"}')],
    ['system', identity({ system: '1' })],
    ['database', identity({ database: '1' })],
    ['timeline', identity({ timeline: '00000009' })],
    ['source', identity({ source: 'standby' })],
    ['epoch', (connection) => query(connection, 'UPDATE pagekeep.feed_state SET epoch = gen_random_uuid()')],
    ['future', edit(() => ({ snapshot: '900000000:900000000:' }))],
    ['low-water', (connection) => query(connection, 'UPDATE pagekeep.feed_state SET low_water = pg_current_xact_id()')],
  ])('%s', async (expected, change) => {
    const { reason, target, state } = await restart(change)
    expect(reason).toBe(expected)
    expect(target.calls[0]).toEqual(['**'])
    expect(JSON.parse(state.texts.get(cursorState) ?? '')).toHaveProperty('snapshot')
  })

  test('by another database whose feed has rows', async () => {
    const other = await harness.database()
    const state = new MapState()
    const first = harness.invalidator({ connection: await harness.database(), target: new RecordingTarget(state) })
    await first.start()
    await first.stop()
    const second = harness.invalidator({ connection: other, target: new RecordingTarget(state) })
    const emptied = next(second as never, 'emptied')
    await second.start()
    expect(await emptied).toMatchObject({ reason: 'database', message: expect.stringContaining('"here"') })
  })

  test('once: the cursor that was taken then is believed', async () => {
    const { state, connection } = await restart(identity({ timeline: '00000009' }))
    const target = new RecordingTarget(state)
    await harness.invalidator({ connection, target, node: 'other' }).start()
    expect(target.calls).toEqual([])
  })

  test('again after a crash on the way: the cursor that was not believed is gone before the pages are', async () => {
    const connection = await harness.database()
    const state = new MapState()
    state.write(cursorState, '{"snapshot":"1:')
    const target = new RecordingTarget(state)
    let seen: string | undefined = 'not asked'
    target.onEvict = () => {
      seen = state.read(cursorState)
    }
    await harness.invalidator({ connection, target }).start()
    expect(seen).toBeUndefined()
  })

  test('while it runs, when the feed is made anew or rows that it has not seen are thrown away', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    const anew = next(invalidator as never, 'emptied')
    await site.query('UPDATE pagekeep.feed_state SET epoch = gen_random_uuid(); NOTIFY pagekeep')
    expect(await anew).toMatchObject({ reason: 'epoch' })
    const thrown = next(invalidator as never, 'emptied')
    await site.query('UPDATE pagekeep.feed_state SET low_water = pg_current_xact_id(); NOTIFY pagekeep')
    expect(await thrown).toMatchObject({ reason: 'low-water' })
    await site.query(insert('after'))
    await invalidator.settled(site)
    expect(target.evicted).toContain(key('after'))
  })
})

describe('a crash of the server', () => {
  /** Numbers of transactions that were not on disk come again; a cursor that has seen them would pass over the new ones. */
  test('lets the same number come again, so the store is emptied', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    const emptied = next(invalidator as never, 'emptied')
    await site.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nothing'")
    const { rows } = await site.query('SELECT pg_backend_pid() AS pid')
    // The server takes the death of a backend for a crash: it ends all others and recovers.
    process.kill(rows[0]?.pid, 'SIGKILL')
    expect(await emptied).toMatchObject({ reason: 'crash' })
  })
})

describe('a saved cursor and the mark of what was thrown away', () => {
  const cursor = (snapshot: string, lowWater = '0') => ({ snapshot, lowWater })

  test('is lost when a transaction that it had not seen lies below', () => {
    expect(hasLost(cursor('10:10:'), '9')).toBe(false)
    expect(hasLost(cursor('10:10:'), '10')).toBe(true)
    expect(hasLost(cursor('10:20:10'), '15')).toBe(true)
    expect(hasLost(cursor('10:20:10', '15'), '15')).toBe(false)
  })

  test('of a standby comes from the future when it was read further than this one has replayed', () => {
    const at = (lsn: string) => ({ ...cursor('10:10:'), lsn })
    const server = { system: '', timeline: '', database: '', epoch: '', boot: '', source: 'standby' as const }
    const saved = { ...at('1/10'), identity: server, savedAtMs: 0 }
    expect(distrust(saved, server, at('0/FFFFFFFF'))).toBe('future')
    expect(distrust(saved, server, at('1/10'))).toBeUndefined()
  })
})

describe('a crash between the eviction and the saving of the cursor', () => {
  async function play(parts: (state: MapState) => object) {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const state = new MapState()
    const target = new RecordingTarget(state)
    const dying = harness.invalidator({ connection, target, node: 'dying' }, parts(state))
    await dying.start()
    // The state as it is on disk when the process is killed in the middle of the eviction.
    let onDisk: MapState | undefined
    target.onEvict = (selectors) => {
      if (!selectors.includes(key('a'))) return
      onDisk = new MapState()
      for (const [name, text] of state.texts) onDisk.write(name, text)
    }
    await site.query(insert('a'))
    await dying.settled(site)
    await dying.stop()
    const next = new RecordingTarget(onDisk)
    await harness.invalidator({ connection, target: next, node: 'dying' }).start()
    return next
  }

  test('repeats the eviction', async () => {
    expect((await play(() => ({}))).evicted).toContain(key('a'))
  })

  test('control: who saves the cursor when rows are read forgets it', async () => {
    class EarlySource extends SnapshotSource implements FeedSource {
      readonly #state: MapState
      constructor(state: MapState) {
        super(schema)
        this.#state = state
      }
      override async read(...args: Parameters<FeedSource['read']>): Promise<FeedPage> {
        const page = await super.read(...args)
        const saved = JSON.parse(this.#state.read(cursorState) ?? '{}')
        this.#state.write(cursorState, JSON.stringify({ ...saved, ...page.cursor }))
        return page
      }
    }
    const target = await play((state) => ({ source: () => new EarlySource(state) }))
    expect(target.evicted).not.toContain(key('a'))
  })
})

test('a node without a name is given one that it keeps', async () => {
  const connection = await harness.database()
  const state = new MapState()
  const names: (string | undefined)[] = []
  for (let time = 0; time < 2; time++) {
    const invalidator = harness.invalidator({
      connection,
      target: new RecordingTarget(state),
      node: undefined as never,
    })
    await invalidator.start()
    names.push(invalidator.status().node)
    await invalidator.stop()
  }
  expect(names[0]).toMatch(new RegExp(`^${hostname()}-[0-9a-f]{6}$`))
  expect(names[1]).toBe(names[0])
})
