import type { Logger } from 'pagekeep'
import { PostgresInvalidator } from 'pagekeep/invalidators/postgres'
import { expect, test } from 'vitest'
import { query } from '../../support/postgres.js'
import { count, gate, Harness, next, until } from './harness.js'
import { rules } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()

test('stop() finishes the batch at hand, then ends the connection; start() may follow', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target, batchRows: 1 })
  await invalidator.start()
  const working = gate()
  const begun = gate()
  target.onEvict = async () => {
    begun.open()
    await working.opened
  }
  await site.query(
    "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'), ('2020-01-09'); NOTIFY date_updated",
  )
  await begun.opened
  const stopped = invalidator.stop()
  expect(invalidator.status().state).toBe('stopping')
  await expect(invalidator.start()).rejects.toMatchObject({ code: 'closed' })
  working.open()
  await Promise.all([stopped, invalidator.stop()])
  expect(invalidator.status().state).toBe('stopped')
  expect(await count(site, 'cache_clearing_dates')).toBe(1)
  const own = "pg_stat_activity WHERE application_name LIKE 'pagekeep:%' AND datname = current_database()"
  await until('its backend is gone', async () => (await count(site, own)) === 0)

  await invalidator.start()
  expect(await count(site, 'cache_clearing_dates')).toBe(0)
})

test('stop() ends an attempt to connect, a wait, and is harmless when nothing runs', async () => {
  const target = new RecordingTarget()
  // Nobody answers at this address; it is for documentation (RFC 5737).
  const nowhere = harness.invalidator({ connection: 'postgres://192.0.2.1/x', target, connectTimeoutMs: 60_000 })
  await nowhere.stop()
  const started = nowhere.start()
  await nowhere.stop()
  await started
  const down = harness.invalidator({ connection: 'postgres://127.0.0.1:1/x', target, reconnectMaxMs: 60_000 })
  await down.start()
  await down.stop()
  expect([nowhere.status().state, down.status().state]).toEqual(['stopped', 'stopped'])
})

test('start() twice is one start', async () => {
  const connection = await harness.database()
  const invalidator = harness.invalidator({ connection, target: new RecordingTarget() })
  await Promise.all([invalidator.start(), invalidator.start()])
  await invalidator.start()
  expect(invalidator.status().connections).toBe(1)
})

test('ready() waits until it has caught up, until its signal, or until stop()', async () => {
  const connection = await harness.database()
  await harness.server.down()
  const invalidator = harness.invalidator({ connection, target: new RecordingTarget() })
  const early = invalidator.ready()
  await invalidator.start()
  const controller = new AbortController()
  const impatient = invalidator.ready({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(impatient).rejects.toThrow('enough')
  await expect(invalidator.ready({ signal: controller.signal })).rejects.toThrow('enough')
  await harness.server.up()
  await early
  await invalidator.ready()
  await invalidator.stop()
  const never = invalidator.ready()
  const started = invalidator.start()
  const stopped = invalidator.stop()
  await Promise.allSettled([started, stopped])
  await expect(never).rejects.toMatchObject({ code: 'closed' })
})

test('a fault that nobody would see is a process warning, once', async () => {
  const warnings: Error[] = []
  const listener = (warning: Error) => void warnings.push(warning)
  process.on('warning', listener)
  const options = { connection: 'postgres://127.0.0.1:1/x', target: new RecordingTarget(), rules, reconnectMaxMs: 1 }
  const invalidator = new PostgresInvalidator(options)
  harness.onEnd(() => invalidator.stop())
  let losses = 0
  invalidator.on('disconnected', () => losses++)
  await invalidator.start()
  await until('it has failed several times', () => losses > 3)
  await invalidator.stop()
  process.off('warning', listener)
  expect(warnings.map(({ message }) => /cannot be reached.*Hand the invalidator a logger/.test(message))).toEqual([
    true,
  ])
})

test('the logger is told of every fault; a listener that throws disturbs nothing', async () => {
  const lines: string[] = []
  const note = (message: string) => void lines.push(message)
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const connection = await harness.database()
  await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES (NULL), ('2020-01-08')")
  const target = new RecordingTarget()
  const { evict } = target
  const stateless = { evict: evict.bind(target) }
  const invalidator = harness.invalidator({ connection, target: stateless, logger })
  invalidator.on('evicted', () => {
    throw new Error('a bug of the listener')
  })
  await invalidator.start()
  expect(target.evicted).toContain('daily/2020/01/08.daily.*')
  expect(lines.join('\n')).toMatch(/The target has no state/)
  expect(lines.join('\n')).toMatch(/"evicted" event threw: a bug of the listener/)
  expect(lines.join('\n')).toMatch(/cannot apply the row 1 of cache_clearing_dates/)
})

test('status() says what is known', async () => {
  const connection = await harness.database()
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  expect(invalidator.status()).toMatchObject({ state: 'stopped', lastHeardAtMs: undefined, lastSweepAtMs: undefined })
  const connected = next(invalidator, 'connected')
  await invalidator.start()
  expect(await connected).toEqual({ channels: ['port_updated', 'date_updated', 'vuxml'] })
  expect(invalidator.status()).toMatchObject({
    state: 'listening',
    connections: 1,
    lastHeardAtMs: expect.any(Number),
    lastSweepAtMs: expect.any(Number),
    channels: ['port_updated', 'date_updated', 'vuxml'],
    queues: [
      { table: 'cache_clearing_ports', channel: 'port_updated', backlog: 0, cleared: 0, setAside: [] },
      { table: 'cache_clearing_dates', channel: 'date_updated', backlog: 0, cleared: 0, setAside: [] },
    ],
    secondLook: { pending: 0, waitingFor: 0 },
  })
})
