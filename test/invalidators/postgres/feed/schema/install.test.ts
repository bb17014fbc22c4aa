/** Installing the feed: once, again, by many at once, by an ordinary role, and beside writers that hold locks. */
import { diagnose, FeedSchema, type FeedSchemaOptions, watch } from 'pagekeep/invalidators/postgres'
import { describe, expect, it } from 'vitest'
import { migrationStatements } from '../../../../../src/invalidators/postgres/feed/schema/migrations.js'
import { readSchemaName } from '../../../../../src/invalidators/postgres/feed/schema/quoting.js'
import { connect, query } from '../../../../support/postgres.js'
import { added, products, Shop, tables } from './shop.js'

const shop = Shop.use()
const triggers = `SELECT t.tgname, t.oid FROM pg_trigger t WHERE tgrelid = 'shop.products'::regclass ORDER BY tgname`

describe('install()', () => {
  it('makes the schema, and again changes nothing', async () => {
    const { database, client } = await shop.open()
    const before = [(await client.query(triggers)).rows, (await client.query('SELECT * FROM pagekeep.feed_state')).rows]
    expect(before[0]).toHaveLength(4)
    await new FeedSchema({ rules: [products] }).install(database)
    expect([
      (await client.query(triggers)).rows,
      (await client.query('SELECT * FROM pagekeep.feed_state')).rows,
    ]).toEqual(before)
    const { rows } = await client.query('SELECT version, name FROM pagekeep.migration ORDER BY version')
    expect(rows.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5])
  })

  it('brings a schema of an earlier version to this one, beside its rows, and diagnose() tells them apart', async () => {
    const database = await shop.server.createDatabase()
    await query(database, tables)
    for (const statement of migrationStatements(readSchemaName('pagekeep')).slice(0, 4))
      await query(database, statement)
    await query(database, `INSERT INTO pagekeep.feed (rule, selector) VALUES ('before', 'a')`)
    const schema = new FeedSchema({ rules: [products] })
    const failing = async () =>
      (await diagnose(database, { rules: [products] })).flatMap(({ level, message }) =>
        level === 'fail' ? message : [],
      )
    expect((await failing()).join()).toContain('The schema is of version 3')
    await schema.install(database)
    expect(await failing()).toEqual([])
    const client = await shop.client(database)
    expect((await client.query(`SELECT selector FROM pagekeep.feed WHERE rule = 'before'`)).rows).toHaveLength(1)
    expect(await added(client, 'UPDATE shop.products SET price = 9 WHERE id = 1')).toHaveLength(3)
  })

  it('may be called by twenty processes at once', async () => {
    const database = await shop.server.createDatabase()
    await query(database, tables)
    await Promise.all(Array.from({ length: 20 }, () => new FeedSchema({ rules: [products] }).install(database)))
    expect(await query(database, 'SELECT count(*)::int AS count FROM pagekeep.feed_state')).toEqual([{ count: 1 }])
    expect(await query(database, triggers)).toHaveLength(4)
  })

  it('does not work by luck: without the lock that they wait for, processes that start at once fail', async () => {
    const database = await shop.server.createDatabase()
    const sql = new FeedSchema().sql().replaceAll('pg_advisory_xact_lock(', 'hashtextextended($$$$, ')
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => query(database, sql)))
    expect(all.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
  })

  it('takes no lock on a table that has its triggers', async () => {
    const { database, client } = await shop.open()
    await client.query('BEGIN; LOCK TABLE shop.products IN ACCESS EXCLUSIVE MODE')
    await new FeedSchema({ rules: [products] }).install(database, { lockTimeoutMs: 50 })
    await client.query('ROLLBACK')
  })

  it('lets writers write while a rule changes', async () => {
    const { database, client } = await shop.open()
    const changed = watch({ table: 'shop.products', columns: ['price', 'stock'], evicts: products.evicts })
    await client.query('BEGIN; LOCK TABLE shop.products IN ROW EXCLUSIVE MODE')
    await new FeedSchema({ rules: [changed] }).install(database, { lockTimeoutMs: 50 })
    await client.query('COMMIT')
    expect(await added(client, 'UPDATE shop.products SET stock = 9 WHERE id = 1')).toHaveLength(3)
  })

  it('waits for a lock no longer than it was told, says so, and can be called again', async () => {
    const { database, client } = await shop.open({ rules: [] })
    await client.query('BEGIN; LOCK TABLE shop.products IN ROW EXCLUSIVE MODE')
    const steps: string[] = []
    const schema = new FeedSchema({ rules: [products] })
    const installing = schema.install(database, { lockTimeoutMs: 50, onProgress: (step) => steps.push(step) })
    await expect(installing).rejects.toMatchObject({
      code: 'table-locked',
      message: expect.stringMatching(/triggers on shop\.products.*pg_stat_activity/),
    })
    expect(steps.at(-1)).toBe('triggers on shop.products')
    expect((await client.query(triggers)).rows).toEqual([])
    await client.query('COMMIT')
    await schema.install(database)
    expect((await client.query(triggers)).rows).toHaveLength(4)
  })

  it('removes the triggers of rules that are gone, and those of a table that was renamed', async () => {
    const { database, client } = await shop.open()
    await client.query('ALTER TABLE shop.products RENAME TO goods; CREATE TABLE shop.products (LIKE shop.goods)')
    await new FeedSchema({ rules: [products] }).install(database)
    const counted = `SELECT tgrelid::regclass::text AS relation, count(*)::int FROM pg_trigger WHERE NOT tgisinternal GROUP BY 1`
    expect((await client.query(counted)).rows).toEqual([{ relation: 'shop.products', count: 4 }])
    await new FeedSchema().install(database)
    expect((await client.query(counted)).rows).toEqual([])
    const functions = `SELECT proname FROM pg_proc WHERE pronamespace = 'pagekeep'::regnamespace AND prorettype = 'trigger'::regtype`
    expect((await client.query(functions)).rows).toEqual([])
  })

  it('mends a function that was changed by hand', async () => {
    const { database, client } = await shop.open()
    const { rows } = await client.query(
      `SELECT oid::regprocedure AS name FROM pg_proc WHERE proname LIKE 'products_%_update'`,
    )
    await client.query(
      `CREATE OR REPLACE FUNCTION ${rows[0].name} RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    )
    expect(await added(client, 'UPDATE shop.products SET price = 0')).toEqual([])
    await new FeedSchema({ rules: [products] }).install(database)
    expect(await added(client, 'UPDATE shop.products SET price = 1 WHERE id = 1')).toHaveLength(3)
  })

  it('works for an ordinary role that owns the tables, and takes a connection that is open', async () => {
    const { database, client } = await shop.open({})
    const role = `owner_${database.slice(-8)}`
    await client.query(`DROP SCHEMA pagekeep CASCADE; CREATE ROLE ${role};
      GRANT CREATE ON DATABASE ${database.slice(-17)} TO ${role}; ALTER SCHEMA shop OWNER TO ${role}; ALTER TABLE shop.products OWNER TO ${role};
      SET ROLE ${role}`)
    await new FeedSchema({ rules: [products] }).install(client)
    expect((await client.query('SELECT current_user::text AS role')).rows).toEqual([{ role }])
    await client.query(`UPDATE shop.products SET price = 9 WHERE id = 1; RESET ROLE`)
    expect((await client.query('SELECT count(*)::int AS count FROM pagekeep.feed')).rows).toEqual([{ count: 3 }])
    await client.query(`SET ROLE ${role}`)
    await new FeedSchema({ rules: [products] }).uninstall(client)
    await client.query(`RESET ROLE; REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  it.each<[string, FeedSchemaOptions, string]>([
    [
      'shop.product',
      { rules: [watch({ table: 'shop.product', columns: ['id'], evicts: products.evicts })] },
      'no table shop.product',
    ],
    [
      'a column',
      { rules: [watch({ table: 'shop.products', columns: ['prize'], evicts: products.evicts })] },
      'no column prize',
    ],
  ])('says that %s is missing', async (_, options, message) => {
    const { database } = await shop.open({})
    const installing = new FeedSchema(options).install(database)
    await expect(installing).rejects.toMatchObject({
      code: 'database-lacks',
      message: expect.stringContaining(message),
    })
  })

  it('refuses a database that is not in UTF-8, and a stricter isolation', async () => {
    const name = `latin_${Date.now()}`
    await query(shop.server.connectionString(), `CREATE DATABASE ${name} ENCODING 'LATIN1' TEMPLATE template0`)
    const installing = new FeedSchema().install(shop.server.connectionString(name))
    await expect(installing).rejects.toMatchObject({ code: 'database-lacks', message: expect.stringContaining('UTF8') })
    const database = await shop.server.createDatabase()
    const strict = query(database, `BEGIN ISOLATION LEVEL SERIALIZABLE; ${new FeedSchema().sql()}`)
    await expect(strict).rejects.toThrow('READ COMMITTED only')
    await query(database, `ALTER DATABASE ${database.slice(-17)} SET default_transaction_isolation = 'serializable'`)
    await new FeedSchema().install(database)
  })

  it('says why it cannot connect', async () => {
    const wrong = shop.server.connectionString('no_such_database')
    await expect(new FeedSchema().install(wrong)).rejects.toMatchObject({ code: 'database-refused' })
    await expect(new FeedSchema().install({ port: 1, host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'database-unreachable',
    })
  })
})

it('sql() is the same, to be run again and again, in one transaction or in none', async () => {
  const { database, client } = await shop.open({})
  const schema = new FeedSchema({ schema: 'Odd "schema" $pagekeep$', notify: false, rules: [products] })
  await query(database, schema.sql())
  await query(database, `BEGIN; ${schema.sql()} COMMIT;`)
  const { rows } = await client.query(`SELECT notify FROM "Odd ""schema"" $pagekeep$".feed_state`)
  expect(rows).toEqual([{ notify: false }])
  expect((await client.query(triggers)).rows).toHaveLength(4)
})

it('uninstall() leaves no trace', async () => {
  const { database } = await shop.open()
  const inspector = await connect(database)
  const trace = async () =>
    (
      await inspector.query(`SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'pagekeep')
        + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) + (SELECT count(*) FROM pg_description WHERE description LIKE 'pagekeep%') AS n`)
    ).rows[0].n
  expect(await trace()).toBe('9')
  await new FeedSchema().uninstall(database)
  await new FeedSchema().uninstall(database)
  expect(await trace()).toBe('0')
  await inspector.end()
})
