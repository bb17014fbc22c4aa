import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../../../../support/postgres.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

it('install() makes the schema, and again changes nothing', async () => {
  const database = await server.createDatabase()
  await new FeedSchema().install(database)
  await new FeedSchema().install(database)
  const migrations = await query(database, 'SELECT version, name FROM pagekeep.migration ORDER BY version')
  expect(migrations[0]).toEqual({ version: 1, name: 'feed' })
  await query(database, `INSERT INTO pagekeep.feed (rule, selector) VALUES ('hand', 'a/**')`)
  expect(await query(database, 'SELECT slot, rule, selector, tag FROM pagekeep.feed_0')).toEqual([
    { slot: 0, rule: 'hand', selector: 'a/**', tag: null },
  ])
})

it('install() may be called by twenty processes at once', async () => {
  const database = await server.createDatabase()
  await Promise.all(Array.from({ length: 20 }, () => new FeedSchema().install(database)))
  const [row] = await query(database, 'SELECT count(*)::int AS count FROM pagekeep.feed_state')
  expect(row).toEqual({ count: 1 })
})

it('sql() is the same, to be run again and again, in one transaction or in none', async () => {
  const database = await server.createDatabase()
  const schema = new FeedSchema({ schema: 'Odd "schema" $pagekeep$', notify: false })
  await query(database, schema.sql())
  await query(database, `BEGIN; ${schema.sql()} COMMIT;`)
  expect(await query(database, `SELECT notify FROM "Odd ""schema"" $pagekeep$".feed_state`)).toEqual([
    { notify: false },
  ])
})

it('uninstall() leaves no trace', async () => {
  const database = await server.createDatabase()
  await new FeedSchema().install(database)
  await new FeedSchema().uninstall(database)
  await new FeedSchema().uninstall(database)
  expect(await query(database, `SELECT nspname FROM pg_namespace WHERE nspname = 'pagekeep'`)).toEqual([])
})
