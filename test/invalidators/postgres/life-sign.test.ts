import { createCache } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, test } from 'vitest'
import { SteadyClock } from '../../../src/invalidators/postgres/steady-clock.js'
import { Harness, until } from './harness.js'
import { day, portRule } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()

describe('the sign of life', () => {
  const signOf = (target: RecordingTarget) => Number(target.state.read('sign-of-life') ?? 0)

  test('moves on while nothing happens, and while rows are set aside', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query('INSERT INTO cache_clearing_dates (date_to_clear) VALUES (NULL)')
    const target = new RecordingTarget()
    const beganMs = Date.now()
    await harness.invalidator({ connection, target, heartbeatMs: 20 }).start()
    await until('it is given', () => signOf(target) >= beganMs)
    const firstMs = signOf(target)
    await until('it moves on', () => signOf(target) > firstMs)
  })

  test('is held back by a queue that rests', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    await site.query(
      "INSERT INTO cache_clearing_ports (category, port) SELECT 'devel', 'p' || n FROM generate_series(1, 50) AS n",
    )
    const target = new RecordingTarget()
    target.onEvict = () => Promise.reject(new Error('EIO'))
    const options = {
      connection,
      target,
      rules: [portRule],
      listenFor: false,
      heartbeatMs: 20,
      rowRetryMinMs: 60_000,
    } as const
    const invalidator = harness.invalidator(options)
    await invalidator.start()
    const askedMs = invalidator.status().lastHeardAtMs ?? 0
    await until('the server was asked again', () => (invalidator.status().lastHeardAtMs ?? 0) > askedMs)
    expect(signOf(target)).toBe(0)
  })

  test('lets a cache with maxLagMs see, and its absence lets it render through', async () => {
    const cache = createCache({ store: new MemoryStore(), maxLagMs: 1500 })
    const connection = await harness.database()
    const invalidator = harness.invalidator({ connection, target: cache, heartbeatMs: 100 })
    await invalidator.start()
    const key = day.key({ date: '2020-01-08', branch: 'head' })
    let renders = 0
    const visit = () => cache.getOrRender(key, () => `${++renders}`)
    await visit()
    const endMs = Date.now() + 2000
    await until('more than maxLagMs has passed, and it sees', async () => {
      const signMs = Number(await cache.state.read('sign-of-life'))
      const isSeeing = (await visit()) === '1'
      // It may be blind for a moment only where the sign was that old, as on a machine that stands still.
      if (!isSeeing) expect(Date.now() - signMs).toBeGreaterThan(1500)
      return isSeeing && Date.now() > endMs
    })
    await invalidator.stop()
    await until('the cache is blind', async () => (await visit()) !== '1')
  })

  test('comes from looking into the queues: a row without a NOTIFY waits for no sweep', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const target = new RecordingTarget()
    await harness.invalidator({ connection, target, heartbeatMs: 20 }).start()
    await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
    await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  })
})

describe('SteadyClock', () => {
  test('goes on from where it was when the machine is set back, and names moments as others do', () => {
    const clock = new FakeClock(1000)
    let setBackMs = 0
    const steady = new SteadyClock({
      now: () => clock.now() - setBackMs,
      setTimer: (...timer) => clock.setTimer(...timer),
    })
    clock.advance(50)
    expect(steady.now()).toBe(1050)
    setBackMs = 500
    expect(steady.now()).toBe(1050)
    clock.advance(10)
    expect(steady.now()).toBe(1060)
    expect(steady.toOthers(1060)).toBe(560)
  })
})
