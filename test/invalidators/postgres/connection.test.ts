import { systemClock } from 'pagekeep'
import { FakeClock } from 'pagekeep/testing'
import { expect, test } from 'vitest'
import { Connection } from '../../../src/invalidators/postgres/connection.js'
import { connect, query } from '../../support/postgres.js'
import { TcpRelay } from '../../support/tcp-relay.js'
import { count, gate, Harness, next, until } from './harness.js'
import { MapState, RecordingTarget } from './recording-target.js'

const harness = Harness.use()
const ownBackends = "FROM pg_stat_activity WHERE application_name LIKE 'pagekeep:%' AND datname = current_database()"

test('what is queued while the server is down for the listener is swept on reconnect', async () => {
  const connection = await harness.database()
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  const lost = next(invalidator, 'disconnected')
  await harness.server.restart()
  expect((await lost).reason).toMatchObject({ code: 'database-unreachable' })
  await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
  await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  await invalidator.ready()
  expect(invalidator.status()).toMatchObject({ state: 'listening' })
})

test('a backend that is terminated (two errors and an end) is one loss and one reconnect', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const invalidator = harness.invalidator({ connection, target: new RecordingTarget() })
  await invalidator.start()
  let losses = 0
  invalidator.on('disconnected', () => losses++)
  const again = next(invalidator, 'connected')
  await site.query(`SELECT pg_terminate_backend(pid) ${ownBackends}`)
  await again
  await invalidator.ready()
  expect(losses).toBe(1)
  expect(invalidator.status().connections).toBe(2)
})

test('a connection that is silent but open is noticed within twice heartbeatMs, and the next one finds what was queued', async () => {
  const direct = await harness.database()
  const site = await harness.client(direct)
  const relay = await TcpRelay.start(harness.server.port)
  harness.onEnd(() => relay.stop())
  const target = new RecordingTarget()
  const connection = direct.replace(`:${harness.server.port}/`, `:${relay.port}/`)
  const heartbeatMs = 700
  const invalidator = harness.invalidator({ connection, target, heartbeatMs, connectTimeoutMs: 2000 })
  await invalidator.start()

  relay.isSilent = true
  const lost = next(invalidator, 'disconnected')
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
  expect((await lost).reason.message).toMatch(/it was silent for 700 ms/)
  expect(target.evicted).not.toContain('daily/2020/01/08.daily.*')

  relay.isSilent = false
  await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
})

test('rules without a queue are done again on each connection: their NOTIFY may have been missed', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  expect(target.calls).toEqual([['news/*.html']])
  await site.query('NOTIFY vuxml')
  await until('the NOTIFY is followed', () => target.calls.length === 2)
  await site.query(`SELECT pg_terminate_backend(pid) ${ownBackends}`)
  await until('it is done again', () => target.calls.length === 3)
  expect(target.calls.at(-1)).toEqual(['news/*.html'])
})

test('a server in recovery is tried again until it is promoted', async () => {
  const connection = await harness.database()
  await query(connection, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
  await harness.server.down()
  await harness.server.upAsStandby()
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  const refused = next(invalidator, 'error')
  await invalidator.start()
  expect(await refused).toMatchObject({ code: 'database-unreachable' })
  expect((await refused).message).toMatch(/is a standby \(in recovery\).*Connect to the primary/)
  await query(connection, 'SELECT pg_promote()')
  await invalidator.ready()
  expect(target.evicted).toContain('daily/2020/01/08.daily.*')
})

test('a listener whose session would be ended for being idle stays', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query(
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = 50', current_database()); END $$",
  )
  const idle = await connect(connection)
  const ended = new Promise((resolve) => idle.once('end', resolve))
  const invalidator = harness.invalidator({ connection, target: new RecordingTarget(new MapState()) })
  await invalidator.start()
  await ended
  expect(await count(site, `(SELECT pid ${ownBackends}) AS own`)).toBe(1)
  expect(invalidator.status().connections).toBe(1)
})

test('the wait before a reconnect is kept, also when a NOTIFY had just come', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const clock = new FakeClock()
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target, clock })
  await invalidator.start()
  const begun = gate()
  const working = gate()
  target.onEvict = async () => {
    begun.open()
    await working.opened
  }
  const lost = next(invalidator, 'disconnected')
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
  await begun.opened
  await site.query(`NOTIFY vuxml; SELECT pg_terminate_backend(pid) ${ownBackends}`)
  await until('its backend is gone', async () => (await count(site, `(SELECT pid ${ownBackends}) AS own`)) === 0)
  working.open()
  const { retryInMs } = await lost
  expect(retryInMs).toBeGreaterThan(0)
  // Long enough for an attempt, if one were made.
  for (let n = 0; n < 20; n++) await site.query('SELECT 1')
  expect(invalidator.status()).toMatchObject({ state: 'waiting', connections: 1 })
  clock.advance(retryInMs)
  await invalidator.ready()
  expect(invalidator.status().connections).toBe(2)
})

test('settings of the session: text is stable, idling is allowed, an abandoned transaction is not', async () => {
  const connection = await Connection.open({
    config: { connectionString: await harness.database(), application_name: 'of the application' },
    applicationName: 'pagekeep:test',
    clock: systemClock,
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
    idleInTransactionMs: 10_000,
    signal: new AbortController().signal,
  })
  harness.onEnd(() => connection.close())
  const names = [
    'DateStyle',
    'idle_session_timeout',
    'idle_in_transaction_session_timeout',
    'application_name',
    'lock_timeout',
  ]
  const values: unknown[] = []
  for (const name of names)
    values.push((await connection.query('SELECT current_setting($1) AS value', [name]))[0]?.value)
  expect(values).toEqual(['ISO, YMD', '0', '10s', 'pagekeep:test', '200ms'])
  expect(await connection.isPooled()).toBe(false)
  // No parser of the application's, and no Date, stands in between.
  expect(
    await connection.query("SELECT date '2026-03-29' AS a, 12345678901234567890 AS b, true AS c, NULL AS d"),
  ).toEqual([{ a: '2026-03-29', b: '12345678901234567890', c: 't', d: null }])
})
