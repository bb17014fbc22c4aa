import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache, isPagekeepError } from 'pagekeep'
import { rule } from 'pagekeep/invalidators/postgres'
import { DiskStore, systemFiles } from 'pagekeep/stores/disk'
import { expect, test } from 'vitest'
import { count, gate, Harness, next, until } from './harness.js'
import { dateRule, day, portPage, portRule } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()
const common = { listenFor: false } as const

test('a row with NULL where the rule needs a value is set aside, and the others go on', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'), (NULL), ('2020-01-09')")
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ ...common, connection, target, rules: [dateRule] })
  const setAside = next(invalidator, 'setAside')
  await invalidator.start()
  const { table, id, attempts, error } = await setAside
  expect({ table, id, attempts }).toEqual({ table: 'cache_clearing_dates', id: '2', attempts: 1 })
  expect(error.code).toBe('rule-failed')
  expect(error.message).toMatch(/row 2 of cache_clearing_dates: its column "date_to_clear" is NULL; delete or mend/)
  expect(target.evicted).toEqual(new Set(['daily/2020/01/08.daily.*', 'daily/2020/01/09.daily.*']))
  expect(await count(site, 'cache_clearing_dates')).toBe(1)
  expect(invalidator.status().queues[0]?.setAside).toMatchObject([{ id: '2', attempts: 1 }])
})

test('a row whose rule throws is tried again ever more rarely, and goes when it can be applied', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query("INSERT INTO cache_clearing_ports (category, port) VALUES ('devel', 'py-x')")
  let isBroken = true
  const fragile = rule({
    channel: 'port_updated',
    queue: { table: 'cache_clearing_ports', columns: ['category', 'port'] },
    evict(row) {
      if (isBroken) throw new Error('no such category yet')
      return portPage.pattern({ category: row.category, name: row.port })
    },
  })
  const target = new RecordingTarget()
  const options = { ...common, connection, target, rules: [fragile], rowRetryMinMs: 20, rowRetryMaxMs: 40 }
  const invalidator = harness.invalidator(options)
  const attempts: number[] = []
  invalidator.on('setAside', (event) => attempts.push(event.attempts))
  await invalidator.start()
  await until('it was tried three times', () => attempts.length >= 3)
  expect(attempts.slice(0, 3)).toEqual([1, 2, 3])
  isBroken = false
  await until('the row is gone', async () => (await count(site, 'cache_clearing_ports')) === 0)
  expect(target.evicted).toContain('ports/devel/py-x/index.html')
  expect(invalidator.status().queues[0]?.setAside).toEqual([])
})

test('a row that was set aside and then deleted by hand is forgotten', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query('INSERT INTO cache_clearing_dates (date_to_clear) VALUES (NULL)')
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ ...common, connection, target, rules: [dateRule], rowRetryMinMs: 20 })
  await invalidator.start()
  expect(invalidator.status().queues[0]?.setAside).toHaveLength(1)
  await site.query('DELETE FROM cache_clearing_dates')
  await until('it is forgotten', () => invalidator.status().queues[0]?.setAside.length === 0)
})

test('one row of three hundred that cannot be evicted stays alone, without spinning', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query(
    `INSERT INTO cache_clearing_ports (category, port) SELECT 'devel', 'p' || n FROM generate_series(1, 300) AS n`,
  )
  const target = new RecordingTarget()
  target.onEvict = (selectors) => {
    if (selectors.includes('ports/devel/p137/index.html')) throw new Error('EPERM')
  }
  const invalidator = harness.invalidator({ ...common, connection, target, rules: [portRule] })
  const setAside = next(invalidator, 'setAside')
  await invalidator.start()
  expect((await setAside).error).toMatchObject({ code: 'evict-failed' })
  expect(await count(site, 'cache_clearing_ports')).toBe(1)
  expect([...target.evicted].filter((selector) => selector.startsWith('ports/'))).toHaveLength(300)
  // Halving a batch of 100 costs some calls, spinning would cost many more.
  expect(target.calls.length).toBeLessThan(60)
  await site.query('NOTIFY port_updated')
  expect(invalidator.status().queues[0]?.cleared).toBe(299)
})

test('a page that cannot be removed from the disk does not stop the rest', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-poison-'))
  // Root may remove any file: the fault is put into the system call.
  let isStuck = true
  const unlink = (path: string) => {
    if (isStuck && path.endsWith('09.daily.head')) throw Object.assign(new Error('EPERM: unlink'), { code: 'EPERM' })
    systemFiles.unlink(path)
  }
  const cache = createCache({ store: new DiskStore({ directory, files: { ...systemFiles, unlink } }) })
  cache.on('error', () => {})
  harness.onEnd(async () => {
    await cache.close()
    await rm(directory, { recursive: true, force: true })
  })
  const days = ['2020-01-08', '2020-01-09', '2020-01-10']
  const keys = days.map((date) => day.key({ date, branch: 'head' }))
  for (const key of keys) await cache.getOrRender(key, () => 'old')
  const connection = await harness.database()
  const site = await harness.client(connection)
  for (const date of days) await site.query('INSERT INTO cache_clearing_dates (date_to_clear) VALUES ($1)', [date])
  const options = { ...common, connection, target: cache, rules: [dateRule], rowRetryMinMs: 50, rowRetryMaxMs: 50 }
  const invalidator = harness.invalidator(options)
  await invalidator.start()
  expect(keys.map((key) => existsSync(join(directory, key)))).toEqual([false, true, false])
  expect(await count(site, 'cache_clearing_dates')).toBe(1)
  isStuck = false
  await until('the page is gone', () => keys.every((key) => !existsSync(join(directory, key))))
  await until('the row is gone', async () => (await count(site, 'cache_clearing_dates')) === 0)
})

test('when every eviction fails the queue rests instead of setting every row aside at once', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query(
    `INSERT INTO cache_clearing_ports (category, port) SELECT 'devel', 'p' || n FROM generate_series(1, 300) AS n`,
  )
  const target = new RecordingTarget()
  target.onEvict = () => Promise.reject(new Error('EIO'))
  const invalidator = harness.invalidator({ ...common, connection, target, rules: [portRule], rowRetryMinMs: 60_000 })
  await invalidator.start()
  expect(invalidator.status().queues[0]?.setAside).toHaveLength(10)
  expect(await count(site, 'cache_clearing_ports')).toBe(300)
})

test('a statement that the database refuses rests the queue, and the others go on', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  await site.query('ALTER TABLE cache_clearing_ports RENAME TO gone')
  const refused = next(invalidator, 'error')
  await site.query('NOTIFY port_updated')
  expect(isPagekeepError(await refused, 'database-lacks')).toBe(true)
  await site.query("INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")
  await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  expect(invalidator.status().state).toBe('listening')
})

test('an eviction that hangs does not hold up the writers of the site', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  await site.query("INSERT INTO ports (category, name) VALUES ('devel', 'py-x')")
  await site.query('UPDATE ports SET version = 1')
  const target = new RecordingTarget()
  const hanging = gate()
  const begun = gate()
  target.onEvict = async (selectors) => {
    if (!selectors.includes('ports/devel/py-x/index.html')) return
    begun.open()
    await hanging.opened
  }
  const invalidator = harness.invalidator({ ...common, connection, target, rules: [portRule], maxHoldMs: 50 })
  const started = invalidator.start()
  await begun.opened
  // Its ON CONFLICT meets the row that is being consumed.
  await site.query('UPDATE ports SET version = 2')
  hanging.open()
  await started
  await until('the row is gone', async () => (await count(site, 'cache_clearing_ports')) === 0)
})
