import { expect, test } from 'vitest'
import { count, Harness, next, until } from './harness.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()

test('start() clears what was queued while nobody listened', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query("INSERT INTO cache_clearing_ports (category, port) VALUES ('devel', 'py-x'), ('www', 'nginx')")
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  const swept = next(invalidator, 'swept')
  await invalidator.start()
  expect(await swept).toEqual({ rows: 2 })
  expect(target.evicted).toEqual(
    new Set([
      'ports/devel/py-x/index.html',
      'categories/devel.html',
      'news/*.html',
      'ports/www/nginx/index.html',
      'categories/www.html',
    ]),
  )
  expect(await count(site, 'cache_clearing_ports')).toBe(0)
})

test('a NOTIFY has its queue drained', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08')")
  expect(target.evicted).not.toContain('daily/2020/01/08.daily.*')
  await site.query('NOTIFY date_updated')
  await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  await until('the row is gone', async () => (await count(site, 'cache_clearing_dates')) === 0)
})
