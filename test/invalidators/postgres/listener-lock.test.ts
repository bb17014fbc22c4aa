import { expect, test } from 'vitest'
import { query } from '../../support/postgres.js'
import { count, Harness, next, until } from './harness.js'
import { dateRule, vuxmlRule } from './queue-database.js'
import { MapState, RecordingTarget } from './recording-target.js'

const harness = Harness.use()

test('a second node is refused, told who clears the queue and what to do', async () => {
  const connection = await harness.database()
  await harness.invalidator({ connection, target: new RecordingTarget(new MapState()) }).start()
  const second = harness.invalidator({ connection, target: new RecordingTarget(new MapState()) })
  const error = await second.start().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'queue-taken' })
  expect(String(error)).toMatch(
    /already clears the queue cache_clearing_\w+: "pagekeep:[0-9a-f]{12}" \(pid \d+, user "postgres", from 127\.0\.0\.1.*Run one listener/,
  )
  expect(second.status().state).toBe('stopped')
})

test('a second process of the same node stands by, and takes over without losing anything', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const state = new MapState()
  const [first, second] = [new RecordingTarget(state), new RecordingTarget(state)]
  const active = harness.invalidator({ connection, target: first })
  await active.start()
  const standby = harness.invalidator({ connection, target: second })
  await standby.start()
  await standby.ready()
  expect(standby.status().state).toBe('standing-by')

  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
  await until('the first has done it', () => first.evicted.has('daily/2020/01/08.daily.*'))
  expect(second.calls).toEqual([])

  const listening = next(standby, 'connected')
  await active.stop()
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-09'); NOTIFY date_updated")
  await listening
  await until('the second has done it', () => second.evicted.has('daily/2020/01/09.daily.*'))
  // Evicted first, committed after.
  await until('the rows are gone', async () => (await count(site, 'cache_clearing_dates')) === 0)
})

test('takes over the second look that the other still owed', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const state = new MapState()
  const [first, second] = [new RecordingTarget(state), new RecordingTarget(state)]
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
  await site.query('BEGIN')
  const active = harness.invalidator({ connection, target: first })
  await active.start()
  const standby = harness.invalidator({ connection, target: second })
  await standby.start()
  await active.stop()
  await until('the second has done it', () => second.evicted.has('daily/2020/01/08.daily.*'))
})

test('invalidators whose queues do not overlap, and those without queues, run side by side', async () => {
  const connection = await harness.database()
  await harness.invalidator({ connection, target: new RecordingTarget() }).start()
  const queueless = harness.invalidator({
    connection,
    target: new RecordingTarget(),
    rules: [vuxmlRule],
    listenFor: false,
  })
  await queueless.start()
  expect(queueless.status().state).toBe('listening')
  await query(connection, 'ALTER TABLE cache_clearing_dates RENAME TO other')
  await query(connection, 'CREATE TABLE cache_clearing_dates (LIKE other)')
  const others = harness.invalidator({ connection, target: new RecordingTarget(), rules: [dateRule], listenFor: false })
  await others.start()
  expect(others.status().state).toBe('listening')
})
