/** A database that is down, refuses, lacks something: a clear error that says what to do, and pages still rendered. */
import { createCache } from 'pagekeep'
import { rule } from 'pagekeep/invalidators/postgres'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, test } from 'vitest'
import { query } from '../../support/postgres.js'
import { Harness, next } from './harness.js'
import { dateRule, news, portRule, rules, vuxmlRule } from './queue-database.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()

/** The message of what `start()` rejects with, which must have that code. */
async function refusal(code: string, options: Parameters<Harness['invalidator']>[0]): Promise<string> {
  const cache = createCache({ store: new MemoryStore() })
  const invalidator = harness.invalidator({ target: cache, ...options })
  const error = await invalidator.start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code })
  expect(invalidator.status().state).toBe('stopped')
  expect(await cache.getOrRender('news/index.html', () => 'rendered')).toBe('rendered')
  return (error as Error).message
}

/** The message of what it says while it keeps trying. */
async function complaint(code: string, options: Parameters<Harness['invalidator']>[0]): Promise<string> {
  const cache = createCache({ store: new MemoryStore() })
  const invalidator = harness.invalidator({ target: cache, ...options })
  const first = next(invalidator, 'error')
  await invalidator.start()
  expect(await first).toMatchObject({ code })
  expect(await cache.getOrRender('news/index.html', () => 'rendered')).toBe('rendered')
  await next(invalidator, 'disconnected')
  await invalidator.stop()
  return (await first).message
}

describe('start() resolves and keeps trying', () => {
  test('when the server is down', async () => {
    const message = await complaint('database-unreachable', { connection: 'postgres://www:secret@127.0.0.1:1/site' })
    expect(message).toMatch(/cannot be reached at "site" on 127\.0\.0\.1:1 as "www".*ECONNREFUSED.*tried again/)
    expect(message).not.toContain('secret')
  })

  test('when the password is refused', async () => {
    const connection = harness.server.connectionString().replace('let-me-in', 'wrong')
    expect(await complaint('database-refused', { connection })).toMatch(/refuses.*Check the user and the password/)
  })

  test('when there is no such database', async () => {
    const message = await complaint('database-refused', { connection: harness.server.connectionString('absent') })
    expect(message).toMatch(/"absent".*Check the name of the database/)
  })

  test('until the server is there', async () => {
    const connection = await harness.database()
    await harness.server.down()
    const invalidator = harness.invalidator({ connection, target: new RecordingTarget() })
    const lost = next(invalidator, 'disconnected')
    await invalidator.start()
    expect((await lost).reason).toMatchObject({ code: 'database-unreachable' })
    await harness.server.up()
    await invalidator.ready()
    expect(invalidator.status().state).toBe('listening')
  })
})

describe('start() rejects', () => {
  test('for a channel of listen_for without a rule, and a rule without a row, naming both', async () => {
    const misspelt = rule({ channel: 'vuxlm', evict: () => news.pattern() })
    const connection = await harness.database()
    const message = await refusal('channel-unknown', { connection, rules: [portRule, dateRule, misspelt] })
    expect(message).toContain('listen_for has the channel "vuxml", for which there is no rule (did you mean "vuxlm"?)')
    expect(message).toContain(
      'there is a rule for the channel "vuxlm", which listen_for does not have (did you mean "vuxml"?)',
    )
    expect(message).toContain(
      'listen_for has date_updated, port_updated, vuxml; the rules have date_updated, port_updated, vuxlm',
    )
  })

  test('for a listen_for that is not there', async () => {
    const connection = await harness.database()
    await query(connection, 'DROP TABLE listen_for')
    expect(await refusal('database-lacks', { connection })).toMatch(/no table "listen_for".*listenFor: false/)
  })

  test('for a queue that is in another schema, saying where it is', async () => {
    const connection = await harness.database()
    await query(connection, 'CREATE SCHEMA elsewhere; ALTER TABLE cache_clearing_dates SET SCHEMA elsewhere')
    const message = await refusal('database-lacks', { connection })
    expect(message).toMatch(/no table "cache_clearing_dates" in the database "test_\w+" \(search_path: .*public\)/)
    expect(message).toMatch(/There is "elsewhere\.cache_clearing_dates": write the schema/)
  })

  test('for a column that is not there', async () => {
    const queue = { table: 'cache_clearing_dates', columns: ['date_to_clera'] } as const
    const misspelt = rule({ channel: 'date_updated', queue, evict: () => [] })
    const connection = await harness.database()
    const message = await refusal('database-lacks', { connection, rules: [portRule, misspelt, vuxmlRule] })
    expect(message).toMatch(/no column "date_to_clera" \(did you mean "date_to_clear"\?\).*It has id, date_to_clear/)
  })

  test('for a right that is missing, with the statement that grants it', async () => {
    const connection = await harness.database()
    await query(
      connection,
      "CREATE ROLE reader LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    const asReader = connection.replace('postgres:let-me-in', 'reader:x')
    const message = await refusal('database-lacks', { connection: asReader })
    expect(message).toContain('Run: GRANT DELETE ON "cache_clearing_ports" TO "reader";')
  })

  test('and starts when what was missing is there', async () => {
    const connection = await harness.database()
    await query(connection, "DELETE FROM listen_for WHERE name = 'vuxml'")
    const invalidator = harness.invalidator({ connection, target: new RecordingTarget(), rules })
    await expect(invalidator.start()).rejects.toMatchObject({ code: 'channel-unknown' })
    await query(connection, "INSERT INTO listen_for (name) VALUES ('vuxml')")
    await invalidator.start()
    expect(invalidator.status().state).toBe('listening')
  })
})
