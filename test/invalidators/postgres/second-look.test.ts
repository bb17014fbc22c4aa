import { FakeClock } from 'pagekeep/testing'
import type pg from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../../src/invalidators/postgres/connection.js'
import { InvalidatorEmitter } from '../../../src/invalidators/postgres/events.js'
import { Evictor } from '../../../src/invalidators/postgres/evictor.js'
import { SecondLook, stateName } from '../../../src/invalidators/postgres/second-look.js'
import { SelectorSet } from '../../../src/invalidators/postgres/selector-set.js'
import { Harness } from './harness.js'
import { MapState, RecordingTarget } from './recording-target.js'

const harness = Harness.use()

let clock: FakeClock
let state: MapState
let target: RecordingTarget
let secondLook: SecondLook
let connection: Connection
let writer: pg.Client
let reader: pg.Client
let messages: string[]

beforeEach(async () => {
  clock = new FakeClock()
  state = new MapState()
  target = new RecordingTarget(state)
  messages = []
  const note = (message: string) => void messages.push(message)
  const emitter = new InvalidatorEmitter({ debug: note, info: note, warn: note, error: note })
  const evictor = new Evictor(target, emitter)
  secondLook = new SecondLook({ state, evictor, emitter, clock, maxSelectors: 100 })
  const database = await harness.database('CREATE TABLE t (n integer)')
  writer = await harness.client(database)
  reader = await harness.client(database)
  connection = await Connection.open({
    config: { connectionString: database },
    applicationName: 'pagekeep:test',
    clock,
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
    idleInTransactionMs: 10_000,
    signal: new AbortController().signal,
  })
  harness.onEnd(() => connection.close())
  await secondLook.restore()
  // The first look of a connection is special; have it done.
  await secondLook.turn(connection)
})

const remember = (...selectors: string[]) => secondLook.remember(new SelectorSet(selectors))

/** Advances the clock until it is due, and has it look. */
async function look(): Promise<string[][]> {
  const before = target.calls.length
  clock.advance(Math.max(0, secondLook.dueAtMs() - clock.now()))
  await secondLook.turn(connection)
  return target.calls.slice(before)
}

describe('turn()', () => {
  test('evicts at once when no transaction is open, and forgets', async () => {
    await remember('a/*', 'b')
    expect(await look()).toEqual([['a/*', 'b']])
    expect(secondLook.pending).toBe(0)
    expect(secondLook.dueAtMs()).toBe(Number.POSITIVE_INFINITY)
  })

  test('evicts once more when each of the transactions that were open has ended, and only then forgets', async () => {
    await writer.query('BEGIN; INSERT INTO t VALUES (1)')
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t')
    await remember('a/*')
    expect(await look()).toEqual([])
    expect(secondLook.waitingFor).toBe(2)
    // Those that ended between the eviction and the first look are over by now.
    expect(await look()).toEqual([['a/*']])
    expect(await look()).toEqual([])
    await writer.query('COMMIT')
    expect(await look()).toEqual([['a/*']])
    expect(await look()).toEqual([])
    await reader.query('ROLLBACK')
    expect(await look()).toEqual([['a/*']])
    expect(secondLook.pending).toBe(0)
  })

  test('does not wait for transactions that began after the look', async () => {
    await writer.query('BEGIN; INSERT INTO t VALUES (1)')
    await remember('a/*')
    await look()
    await reader.query('BEGIN; INSERT INTO t VALUES (2)')
    await writer.query('COMMIT')
    expect(await look()).toEqual([['a/*']])
    expect(secondLook.pending).toBe(0)
  })

  test('waits for a transaction under the name that it has once prepared', async () => {
    await writer.query('BEGIN; INSERT INTO t VALUES (1)')
    await remember('a/*')
    await look()
    await writer.query("PREPARE TRANSACTION 'two'")
    expect(await look()).toEqual([['a/*']])
    expect(secondLook.pending).toBe(1)
    await writer.query("COMMIT PREPARED 'two'")
    expect(await look()).toEqual([['a/*']])
    expect(secondLook.pending).toBe(0)
  })

  test('does not wait for other databases', async () => {
    const elsewhere = await harness.client(await harness.database('CREATE TABLE t (n integer)'))
    await elsewhere.query('BEGIN; INSERT INTO t VALUES (1)')
    await remember('a/*')
    expect(await look()).toEqual([['a/*']])
  })

  test('looks more rarely while a long transaction is open, and at once again for a new batch', async () => {
    await reader.query('BEGIN; SELECT FROM t')
    await remember('a/*')
    const waits: number[] = []
    for (let n = 0; n < 9; n++) {
      await look()
      waits.push(secondLook.dueAtMs() - clock.now())
    }
    expect(waits).toEqual([20, 40, 80, 160, 320, 640, 1000, 1000, 1000])
    await remember('b/*')
    expect(secondLook.dueAtMs() - clock.now()).toBe(20)
  })

  test('tries again what could not be evicted, without holding up the rest', async () => {
    target.onEvict = (selectors) => {
      if (selectors.includes('bad')) throw new Error('EPERM')
    }
    await remember('good', 'bad', 'fine')
    await look()
    expect(target.calls).toContainEqual(['fine'])
    expect(secondLook.pending).toBe(1)
    expect(secondLook.dueAtMs() - clock.now()).toBe(1000)
    expect(messages.join()).toContain('EPERM')
    await remember('later')
    expect(await look()).toEqual([['later']])
    target.onEvict = () => {}
    expect(await look()).toEqual([['bad']])
    expect(secondLook.pending).toBe(0)
  })
})

describe('remember() and restore()', () => {
  test('what is owed is written down before remember() resolves, and removed when it is done', async () => {
    await remember('a/*')
    expect(state.read(stateName)).toBe('["a/*"]')
    await look()
    expect(state.read(stateName)).toBeUndefined()
  })

  test('remember() rejects when it cannot be written, so that the batch is not committed', async () => {
    state.write = () => {
      throw new Error('ENOSPC')
    }
    await expect(remember('a/*')).rejects.toThrow('ENOSPC')
  })

  test('what a process owed is evicted at the next start, at once and when those open then have ended', async () => {
    state.write(stateName, '["a/*",{"tag":"t"}]')
    await writer.query('BEGIN; INSERT INTO t VALUES (1)')
    await secondLook.restore()
    expect(await look()).toEqual([['a/*', 'tag:t']])
    await writer.query('COMMIT')
    expect(await look()).toEqual([['a/*', 'tag:t']])
    expect(state.read(stateName)).toBeUndefined()
  })

  test.each(['{', '"a"', '["../etc"]', '[1]'])('a state that cannot be read (%s) evicts every page', async (text) => {
    state.write(stateName, text)
    await secondLook.restore()
    expect(await look()).toEqual([['**']])
    expect(messages.join()).toContain('cannot be read')
  })

  test('beyond its limit the list becomes coarser and stays small', async () => {
    await reader.query('BEGIN; SELECT FROM t')
    for (let n = 0; n < 100; n++) await remember(`ports/devel/p${n}/*`)
    await look()
    expect(secondLook.pending).toBe(100)
    await remember('news/index')
    expect(secondLook.pending).toBe(2)
    await reader.query('COMMIT')
    await look()
    expect(target.calls.at(-1)).toEqual(['news/**', 'ports/**'])
  })
})
