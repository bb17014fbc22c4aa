/** Evictions that fail: tried again, in nobody's way, and never passed by the cursor. */
import { describe, expect, test } from 'vitest'
import { cursorState } from '../../../../../src/invalidators/postgres/feed/cursor-keeper.js'
import { next, until } from '../../harness.js'
import { MapState, RecordingTarget } from '../../recording-target.js'
import { FeedHarness, insert, key, ring } from './feed-harness.js'

const harness = FeedHarness.use()

async function open(options = {}) {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const state = new MapState()
  const target = new RecordingTarget(state)
  const invalidator = harness.invalidator({ connection, target, retryMinMs: 20, retryMaxMs: 40, ...options })
  await invalidator.start()
  return { connection, site, state, target, invalidator }
}

const fails = (name: string) => (selectors: readonly string[]) => {
  if (selectors.includes(key(name))) throw new Error('EACCES')
}

describe('an eviction that fails', () => {
  test('does not stop the others, is told, tried again, and done once mended', async () => {
    const { site, target, invalidator } = await open()
    target.onEvict = fails('bad')
    const fault = next(invalidator as never, 'error')
    await site.query("INSERT INTO page VALUES ('good', 1), ('bad', 1), ('fine', 1)")
    expect(await fault).toMatchObject({ code: 'evict-failed' })
    await until('the others are evicted', () => target.evicted.has(key('good')) && target.evicted.has(key('fine')))
    await site.query(insert('later'))
    await until('what came later is evicted', () => target.evicted.has(key('later')))
    expect(invalidator.status()).toMatchObject({ owed: 1, isResting: false })
    await expect(invalidator.settled(site, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'not-settled',
      nodes: ['here'],
    })
    target.onEvict = () => {}
    await invalidator.settled(site)
    expect(invalidator.status().owed).toBe(0)
  })

  test('holds the cursor: a restart reads it again', async () => {
    const { connection, site, state, target, invalidator } = await open()
    const before = JSON.parse(state.read(cursorState) ?? '').snapshot
    target.onEvict = fails('bad')
    await site.query("INSERT INTO page VALUES ('good', 1), ('bad', 1)")
    await until('it is owed', () => invalidator.status().owed === 1)
    await site.query(insert('later'))
    await until('what came later is evicted', () => target.evicted.has(key('later')))
    expect(JSON.parse(state.read(cursorState) ?? '').snapshot).toBe(before)
    await invalidator.stop()
    const again = new RecordingTarget(state)
    await harness.invalidator({ connection, target: again }).start()
    expect([...again.evicted].sort()).toEqual([key('bad'), key('good'), key('later')])
  })

  test('of everything makes it rest: nothing more is read until one succeeds', async () => {
    const { site, target, invalidator } = await open()
    target.onEvict = () => {
      throw new Error('EROFS')
    }
    await site.query("INSERT INTO page SELECT 'p' || n, 1 FROM generate_series(1, 50) AS n")
    await until('it rests', () => invalidator.status().isResting)
    expect(invalidator.status().owed).toBe(50)
    const { rows } = invalidator.status()
    const calls = target.calls.length
    await site.query(insert('later'))
    await until('it was tried again', () => target.calls.length > calls + 10)
    expect(invalidator.status().rows).toBe(rows)
    target.onEvict = () => {}
    await invalidator.settled(site)
    expect(target.evicted).toContain(key('p50'))
    expect(target.evicted).toContain(key('later'))
    expect(invalidator.status()).toMatchObject({ owed: 0, isResting: false })
  })

  test('of everything when the store is to be emptied lets it begin again, until that is done', async () => {
    const connection = await harness.database()
    const target = new RecordingTarget()
    let times = 0
    target.onEvict = () => {
      times++
      if (times < 3) throw new Error('EIO')
    }
    const invalidator = harness.invalidator({ connection, target })
    await invalidator.start()
    expect(target.state.read(cursorState)).toBeUndefined()
    await invalidator.ready()
    expect(target.calls).toEqual([['**'], ['**'], ['**']])
    expect(target.state.read(cursorState)).toBeDefined()
  })
})

test('a state that cannot be written is told once, and evictions go on', async () => {
  const state = new MapState()
  const { site, target, invalidator } = await open({ target: new RecordingTarget(state) })
  const write = state.write.bind(state)
  const faults: unknown[] = []
  invalidator.on('error', (error) => void faults.push(error.code))
  state.write = (name, text) => {
    if (name === cursorState) throw new Error('ENOSPC')
    write(name, text)
  }
  await site.query(insert('a'))
  await invalidator.settled(site)
  await site.query(ring)
  await site.query(insert('b'))
  await invalidator.settled(site)
  expect(faults).toEqual(['store-failed'])
  expect(target.calls).toEqual([])
})

describe('the sign of life', () => {
  const signOf = (target: RecordingTarget) => Number(target.state.read('sign-of-life') ?? 0)

  test('moves on while nothing happens, and while a single page cannot be evicted', async () => {
    const { site, target, invalidator } = await open({ heartbeatMs: 20 })
    await until('it is given', () => signOf(target) > 0)
    target.onEvict = fails('bad')
    await site.query(insert('bad'))
    await until('it is owed', () => invalidator.status().owed === 1)
    const firstMs = signOf(target)
    await until('it moves on', () => signOf(target) > firstMs)
  })

  test('stands still while nothing can be evicted', async () => {
    const { site, target, invalidator } = await open({ heartbeatMs: 20 })
    target.onEvict = () => Promise.reject(new Error('EIO'))
    await site.query("INSERT INTO page SELECT 'p' || n, 1 FROM generate_series(1, 50) AS n")
    await until('it rests', () => invalidator.status().isResting)
    const stoodMs = signOf(target)
    const heardMs = invalidator.status().lastHeardAtMs ?? 0
    await until('the server was asked again', () => (invalidator.status().lastHeardAtMs ?? 0) > heardMs + 100)
    expect(signOf(target)).toBe(stoodMs)
  })
})
