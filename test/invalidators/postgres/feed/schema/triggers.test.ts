/** What each kind of statement adds to the feed, on a real server. */
import { route } from 'pagekeep'
import { diagnose, evictRoute, evictTag, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { query } from '../../../../support/postgres.js'
import { added, feedOf, list, notified, page, products, Shop, tables } from './shop.js'

const shop = Shop.use()
const earlGrey = ['products/tea/*.html', 'products/tea/Earl%20Grey/index.html', 'tag:product:1']

describe('a trigger', () => {
  it('names what was inserted, changed and deleted', async () => {
    const { client } = await shop.open()
    expect(await added(client, `UPDATE shop.products SET price = 3.5 WHERE id = 1`)).toEqual(earlGrey)
    expect(await added(client, `DELETE FROM shop.products WHERE id = 1`)).toEqual(earlGrey)
    const insert = `INSERT INTO shop.products (id, category, name) VALUES (1, 'tea', 'Earl Grey')`
    expect(await added(client, insert)).toEqual(earlGrey)
  })

  it('names the old and the new place of a row that moves between categories', async () => {
    const { client } = await shop.open()
    expect(await added(client, `UPDATE shop.products SET category = 'jam' WHERE id = 1`)).toEqual([
      'products/jam/*.html',
      'products/jam/Earl%20Grey/index.html',
      ...earlGrey,
    ])
  })

  it('names each selector of a statement once', async () => {
    const { client } = await shop.open()
    expect(await added(client, `UPDATE shop.products SET price = price + 1 WHERE category = 'tea'`)).toEqual([
      'products/tea/*.html',
      'products/tea/Assam/index.html',
      'products/tea/Earl%20Grey/index.html',
      'tag:product:1',
      'tag:product:2',
    ])
  })

  it.each([
    ['an UPDATE of an unwatched column', 'UPDATE shop.products SET stock = stock + 1'],
    ['an UPDATE that changes nothing', 'UPDATE shop.products SET price = price'],
    ['an UPDATE of no row', 'UPDATE shop.products SET price = 9 WHERE false'],
    ['a DELETE of no row', 'DELETE FROM shop.products WHERE false'],
    ['an INSERT of no row', `INSERT INTO shop.products (name) SELECT 'x' WHERE false`],
    ['a swap of values that pages do not tell apart', `UPDATE shop.products SET stock = 3 - id`],
  ])('adds no row and no NOTIFY for %s', async (_, sql) => {
    const { database, client } = await shop.open()
    expect(await notified(database, () => added(client, sql))).toBe(0)
    expect(await feedOf(client)).toEqual([])
  })

  it('notifies once for a transaction that changed something, unless somebody polls', async () => {
    const { database, client } = await shop.open()
    const change = () =>
      client.query('BEGIN; UPDATE shop.products SET price = price + 1; DELETE FROM shop.products; COMMIT')
    expect(await notified(database, change)).toBe(1)
    await client.query(`INSERT INTO shop.products (name) VALUES ('x')`)
    await client.query(`SELECT setval('pagekeep.lease', (extract(epoch FROM now()) * 1000)::bigint + 600000)`)
    expect(await notified(database, change)).toBe(0)
  })

  it('does not notify when that is turned off, so that PREPARE TRANSACTION works', async () => {
    const { database, client } = await shop.open()
    const prepare = `BEGIN; UPDATE shop.products SET price = price + 1; PREPARE TRANSACTION 'p'`
    await expect(client.query(prepare)).rejects.toThrow('cannot PREPARE')
    await client.query('ROLLBACK')
    await new FeedSchema({ rules: [products], notify: false }).install(database)
    await client.query(prepare)
    expect(await notified(database, () => query(database, `COMMIT PREPARED 'p'`))).toBe(0)
    expect(await feedOf(client)).toHaveLength(8)
  })

  it('takes back its rows with a rollback, whole or to a savepoint', async () => {
    const { client } = await shop.open()
    expect(await added(client, 'BEGIN; UPDATE shop.products SET price = 0; ROLLBACK')).toEqual([])
    const sql = `BEGIN; UPDATE shop.products SET price = 0 WHERE id = 1; SAVEPOINT s;
      UPDATE shop.products SET price = 0; ROLLBACK TO s; COMMIT`
    expect(await added(client, sql)).toEqual(earlGrey)
  })

  it.each(['SERIALIZABLE', 'REPEATABLE READ'])('works for a writer in %s', async (level) => {
    const { client } = await shop.open()
    const sql = `BEGIN ISOLATION LEVEL ${level}; UPDATE shop.products SET price = 0 WHERE id = 1; COMMIT`
    expect(await added(client, sql)).toEqual(earlGrey)
  })

  it('does not make SERIALIZABLE writers of different rows fail each other', async () => {
    const { database, client } = await shop.open()
    const other = await shop.client(database)
    for (const [writer, id] of [
      [client, 1],
      [other, 2],
    ] as const) {
      await writer.query('BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off')
      await writer.query(`SELECT price FROM shop.products WHERE id = ${id}`)
      await writer.query(`UPDATE shop.products SET price = 0 WHERE id = ${id}`)
    }
    await client.query('COMMIT')
    await other.query('COMMIT')
    expect(await feedOf(client)).toHaveLength(6)
  })

  it('evicts all that a TRUNCATE may have removed', async () => {
    const { database, client } = await shop.open()
    const all = ['products/*/*.html', 'products/*/*/index.html', 'tag:products']
    expect(await added(client, 'TRUNCATE shop.products')).toEqual(all)
    expect(await notified(database, () => client.query('TRUNCATE shop.products'))).toBe(1)
  })

  it('evicts everything for a TRUNCATE where a tag has no common one', async () => {
    const rule = watch({ table: 'shop.products', columns: [], evicts: [evictTag('product:{id}')] })
    const { client } = await shop.open({ rules: [rule] })
    expect(await added(client, 'TRUNCATE shop.products')).toEqual(['**'])
  })

  it('sees what COPY brings', async () => {
    const { client } = await shop.open()
    const copy = `COPY shop.products (id, category, name) FROM PROGRAM 'echo "77,tea,Sencha" ' WITH (FORMAT csv)`
    expect(await added(client, copy)).toEqual([
      'products/tea/*.html',
      'products/tea/Sencha/index.html',
      'tag:product:77',
    ])
  })

  it('collapses what names too many pages, each entry by itself', async () => {
    const { client } = await shop.open()
    const insert = `INSERT INTO shop.products (category, name) SELECT 'tea', 'Nr ' || n FROM generate_series(1, 100000) n`
    expect(await added(client, insert)).toEqual(['products/*/*/index.html', 'products/tea/*.html', 'tag:products'])
    const update = await added(client, 'UPDATE shop.products SET price = 1 WHERE id <= 1000')
    expect(update).toHaveLength(1000 + 2 + 1000)
    const limit = await added(client, 'UPDATE shop.products SET price = 2 WHERE id <= 1001')
    expect(limit).toEqual(['products/*/*/index.html', 'products/jam/*.html', 'products/tea/*.html', 'tag:products'])
  })

  it('does not collapse tags without a common one', async () => {
    const rule = watch({ table: 'shop.products', columns: [], evicts: [evictTag('product:{id}')], maxSelectors: 1 })
    const { client } = await shop.open({ rules: [rule] })
    expect(await added(client, 'DELETE FROM shop.products')).toEqual([
      'tag:product:1',
      'tag:product:2',
      'tag:product:3',
    ])
  })

  it('names the same for many rows at once as for each by itself', async () => {
    const { client } = await shop.open()
    const rows = [
      `('a/b', '.x', 1)`,
      `('', '%41 *', 2)`,
      `(NULL, 'ä😀', 3)`,
      `('c', NULL, 4)`,
      `(repeat('.', 101), repeat('😀', 60), 5)`,
      `('e', 'd', 6)`,
    ]
    const values = (list: readonly string[]) =>
      `INSERT INTO shop.products (category, name, id) SELECT * FROM (VALUES ${list.join(', ')}) v ON CONFLICT DO NOTHING`
    await client.query('DELETE FROM shop.products')
    const change = `UPDATE shop.products SET category = name, name = category || 'x'`
    const remove = 'DELETE FROM shop.products'
    const together = [await added(client, values(rows)), await added(client, change), await added(client, remove)]
    const ids = [1, 2, 3, 4, 5, 6].map((id) => ` WHERE id = ${id}`)
    const apart = [
      await added(client, rows.map((row) => values([row])).join('; ')),
      await added(client, ids.map((where) => change + where).join('; ')),
      await added(client, ids.map((where) => remove + where).join('; ')),
    ]
    const distinct = (texts: readonly string[][]) => texts.map((list) => [...new Set(list)])
    expect(together.every((list) => list.length > 12)).toBe(true)
    expect(distinct(apart)).toEqual(distinct(together))
  })

  it('takes NULL for all values of a parameter, and for no tag', async () => {
    const { client } = await shop.open({
      rules: [
        watch({
          table: 'shop.products',
          columns: [],
          evicts: [evictRoute(page, { category: 'category', name: 'name' }), evictTag('in:{category}')],
        }),
      ],
    })
    expect(await added(client, 'UPDATE shop.products SET category = NULL WHERE id = 1')).toEqual([
      'products/*/Earl%20Grey/index.html',
      'products/tea/Earl%20Grey/index.html',
      'tag:in:tea',
    ])
  })

  it('names nothing that no page can be called or tagged with', async () => {
    const { client } = await shop.open({
      rules: [
        watch({
          table: 'shop.products',
          columns: [],
          evicts: [evictRoute(page, { category: 'category', name: 'name' }), evictTag('{name}')],
        }),
      ],
    })
    const insert = (name: string) => added(client, `INSERT INTO shop.products (category, name) VALUES ('x', ${name})`)
    expect(await insert(`repeat('%', 1200)`)).toEqual([])
    expect(await insert(`E'a\\nb'`)).toEqual(['products/x/a%0ab/index.html'])
    expect(await insert(`E'a\\\\b'`)).toEqual(['products/x/a%5cb/index.html'])
    expect(await insert(`''`)).toEqual(['products/x/~e/index.html'])
  })
})

describe('a rule', () => {
  it('sees MERGE and INSERT ... ON CONFLICT DO UPDATE, each row as what became of it', async () => {
    const { client } = await shop.open()
    const merge = `MERGE INTO shop.products p USING (VALUES ('Earl Grey'), ('Sencha'), ('Quince')) AS s(name) ON p.name = s.name
      WHEN MATCHED AND p.name = 'Quince' THEN DELETE WHEN MATCHED THEN UPDATE SET price = 9
      WHEN NOT MATCHED THEN INSERT (id, category, name) VALUES (50, 'tea', s.name)`
    const names = (await added(client, merge)).filter((text) => text.startsWith('tag:'))
    expect(names).toEqual(['tag:product:1', 'tag:product:3', 'tag:product:50'])
    const upsert = `INSERT INTO shop.products (id, category, name, price) VALUES (50, 'tea', 'Sencha', 1), (51, 'tea', 'Mate', 1)
      ON CONFLICT (name) DO UPDATE SET price = excluded.price`
    expect((await added(client, upsert)).filter((text) => text.startsWith('tag:'))).toEqual([
      'tag:product:50',
      'tag:product:51',
    ])
  })

  it('serves a partitioned table: statements on the whole, on a part, and rows that move between parts', async () => {
    const rule = watch({
      table: 'news',
      columns: ['title'],
      evicts: [evictRoute(route('news/{year}/{id}'), { year: 'year', id: 'id' })],
    })
    const { client } = await shop.open(
      { rules: [rule] },
      `CREATE TABLE news (year int, id int, title text) PARTITION BY LIST (year);
       CREATE TABLE news_1 PARTITION OF news FOR VALUES IN (2001);
       CREATE TABLE news_2 PARTITION OF news FOR VALUES IN (2002);`,
    )
    expect(await added(client, `INSERT INTO news VALUES (2001, 1, 'x')`)).toEqual(['news/2001/1'])
    expect(await added(client, `UPDATE news SET year = 2002`)).toEqual(['news/2001/1', 'news/2002/1'])
    expect(await added(client, `UPDATE news_2 SET title = 'y'`)).toEqual(['news/2002/1'])
    expect(await added(client, `DELETE FROM news_2`)).toEqual(['news/2002/1'])
    expect(new Set(await added(client, `TRUNCATE news`))).toEqual(new Set(['news/*/*']))
  })

  it('takes names as they are written, odd ones too', async () => {
    const rule = watch({
      table: '"Shop ""1"" %I"."Weird ""%s"" Table"',
      columns: ['written', 'added', 'Price %1$s'],
      evicts: [evictRoute(route('w/{x}'), { x: 'Upper' }), evictTag("it's {Upper}")],
    })
    const { client } = await shop.open(
      { rules: [rule], schema: `Page's "keep" %s` },
      `CREATE SCHEMA "Shop ""1"" %I";
       CREATE TABLE "Shop ""1"" %I"."Weird ""%s"" Table" (written text, added text, "Price %1$s" text, "Upper" text, upper text);`,
    )
    await client.query(`INSERT INTO "Shop ""1"" %I"."Weird ""%s"" Table" VALUES ('a', 'b', 'c', 'D', 'e')`)
    expect(await feedOf(client, `Page's "keep" %s`)).toEqual([`tag:it's D`, 'w/D'])
  })

  it('takes no column for a name of its own', async () => {
    const own = ['selector', 'tag', 'rule', 'name1', 'name2', 'day1', 'added', 'c1', 'p1', 'side', 'new_rows', 'named']
    const rule = watch({
      table: 't',
      columns: own,
      evicts: [evictRoute(route('d/{day:YYYY/MM/DD}/{tag}'), { day: 'day1', tag: 'tag' }), evictTag('{name1}')],
    })
    const { client } = await shop.open({ rules: [rule] }, `CREATE TABLE t (id int, ${own.join(' text, ')} text)`)
    const insert = `INSERT INTO t SELECT n, ${own.map((name) => `'${name}'`).join(', ')} FROM generate_series(1, 2) n`
    expect(await added(client, insert)).toEqual(['d/*/*/*/tag', 'tag:name1'])
    for (const where of ['', ' WHERE id = 1']) {
      expect(await added(client, `UPDATE t SET side = side || 'x'${where}`)).toEqual(['d/*/*/*/tag', 'tag:name1'])
      expect(await added(client, `UPDATE t SET day1 = '2020-01-08', selector = 'x'${where}`)).toEqual([
        'd/*/*/*/tag',
        'd/2020/01/08/tag',
        'tag:name1',
      ])
      expect(await added(client, `UPDATE t SET added = added || 'x'${where}`)).toEqual([
        'd/2020/01/08/tag',
        'tag:name1',
      ])
      expect(await added(client, `UPDATE t SET day1 = 'day1'${where}`)).toEqual([
        'd/*/*/*/tag',
        'd/2020/01/08/tag',
        'tag:name1',
      ])
    }
    expect(await added(client, 'DELETE FROM t WHERE id = 1')).toEqual(['d/*/*/*/tag', 'tag:name1'])
  })

  it('compares values of types that know no equality, and those that are equal and read otherwise', async () => {
    const rule = watch({ table: 't', columns: ['j', 'x', 'p', 'n', 'c', 'f'], evicts: [evictRoute(route('t'))] })
    const { client } = await shop.open(
      { rules: [rule] },
      `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       CREATE TABLE t (j json, x xml, p point, n numeric, c text COLLATE loose, f float8, other int);
       INSERT INTO t VALUES ('{"a": 1}', '<a/>', '(1,2)', 1.0, 'a', 0.1, 1);`,
    )
    expect(await added(client, `UPDATE t SET other = 2, j = '{"a": 1}', x = '<a/>', p = '(1,2)'`)).toEqual([])
    for (const change of [
      `j = '{"a":2}'`,
      `x = '<b/>'`,
      `p = '(1,3)'`,
      'n = 1.00',
      `c = 'A'`,
      'f = 0.1000000000000001',
    ]) {
      expect(await added(client, `SET extra_float_digits = -10; UPDATE t SET ${change}`)).toEqual(['t'])
    }
  })

  it('writes days and instants alike, whatever a session has set', async () => {
    const rule = watch({
      table: 't',
      columns: [],
      evicts: [
        evictRoute(route('d/{date:YYYY/MM/DD}'), { date: 'd' }),
        evictRoute(route('i/{date:YYYY-MM-DD}'), { date: 'i' }),
      ],
    })
    const { client } = await shop.open({ rules: [rule] }, 'CREATE TABLE t (d date, i timestamptz)')
    await client.query(`SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Tokyo'`)
    expect(await added(client, `INSERT INTO t VALUES ('2020-01-08', '2020-01-08 03:00+09')`)).toEqual([
      'd/2020/01/08',
      'i/2020-01-07',
    ])
  })

  it('shares the triggers of its table with others', async () => {
    const stock = watch({ table: 'shop.products', columns: ['stock'], evicts: [evictTag('stock')] })
    const { client } = await shop.open({ rules: [products, stock] })
    expect(await added(client, 'UPDATE shop.products SET stock = 1 WHERE id = 1')).toEqual(['tag:stock'])
    expect(await added(client, 'UPDATE shop.products SET price = 1, stock = 2 WHERE id = 1')).toEqual([
      ...earlGrey,
      'tag:stock',
    ])
    const { rows } = await client.query(`SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.products'::regclass`)
    expect(rows).toHaveLength(4)
  })

  it('lives beside that of another schema in one database', async () => {
    const { database, client } = await shop.open()
    const other = watch({ table: 'shop.products', columns: ['stock'], evicts: [evictRoute(list)] })
    await new FeedSchema({ rules: [other], schema: 'second' }).install(database)
    const change = () => client.query('UPDATE shop.products SET stock = 7')
    expect(await notified(database, change)).toBe(0)
    expect(await notified(database, change, 'second')).toBe(0)
    expect([await feedOf(client), await feedOf(client, 'second')]).toEqual([[], ['products/*/*.html']])
    await new FeedSchema({ schema: 'second' }).uninstall(database)
    expect(await added(client, `UPDATE shop.products SET price = 7 WHERE id = 1`)).toEqual(earlGrey)
  })

  it('needs no right of the writer beyond those on its own table', async () => {
    const { database, client } = await shop.open()
    await client.query(`DROP ROLE IF EXISTS shop_writer; CREATE ROLE shop_writer; GRANT USAGE ON SCHEMA shop TO shop_writer;
      GRANT ALL ON shop.products TO shop_writer`)
    expect(
      await notified(database, () =>
        client.query(`SET ROLE shop_writer; DELETE FROM shop.products WHERE id = 1; RESET ROLE`),
      ),
    ).toBe(1)
    expect(await feedOf(client)).toEqual(earlGrey)
    await client.query('DROP OWNED BY shop_writer; DROP ROLE shop_writer')
  })
})

/** A table of which no setting changes how its columns read; then one whose columns have got other types. */
describe('columns that get another type', () => {
  const rule = watch({ table: 't', columns: ['x'], evicts: [evictRoute(route('d/{d}'), { d: 'd' })] })
  const start = async () => {
    const shopOf = await shop.open(
      { rules: [rule] },
      "CREATE TABLE t (id int, d text, x text); INSERT INTO t VALUES (1, '2020-01-08', '0.1'), (2, '2020-01-09', '0.1')",
    )
    await shopOf.client.query(`SET DateStyle = 'German, DMY'; SET extra_float_digits = -10`)
    return shopOf
  }
  const change = 'ALTER TABLE t ALTER d TYPE date USING d::date, ALTER x TYPE float8 USING x::float8'
  const settingsOf = async (client: pg.Client) => {
    const { rows } = await client.query("SELECT proconfig FROM pg_proc WHERE proname LIKE 't\\_%\\_update'")
    return rows[0].proconfig.length
  }
  const warnings = async (client: pg.Client) =>
    (await diagnose(client, { rules: [rule] })).filter(({ code, level }) => code === 'trigger' && level !== 'ok')

  it('are read as before, whatever a session has set, and the next install() makes that cheap', async () => {
    const { client } = await start()
    const expectSame = async () => {
      for (const x of ['0.3', '0.1', '0.1000000000000001', '0.1']) {
        expect(await added(client, `UPDATE t SET x = ${x} WHERE id = 1`)).toEqual(['d/2020-01-08'])
      }
      expect(await added(client, 'UPDATE t SET x = 0.1')).toEqual([])
      for (const x of ['0.3', '0.1', '0.1000000000000001', '0.1']) {
        expect(await added(client, `UPDATE t SET x = ${x}`)).toEqual(['d/2020-01-08', 'd/2020-01-09'])
      }
      const both = ['d/2020-01-08', 'd/2020-02-01']
      expect(await added(client, "UPDATE t SET d = '2020-02-01' WHERE id = 1")).toEqual(both)
      expect(await added(client, "UPDATE t SET d = '2020-01-08' WHERE id = 1")).toEqual(both)
    }
    await expectSame()
    expect(await settingsOf(client)).toBe(1)
    await client.query(change)
    await expectSame()
    const [first, ...others] = await warnings(client)
    expect(first).toMatchObject({ level: 'warn', message: expect.stringContaining('another type') })
    // Not for TRUNCATE, which reads none.
    expect(others).toHaveLength(2)
    const schema = new FeedSchema({ rules: [rule] })
    await schema.install(client)
    expect([await warnings(client), await settingsOf(client)]).toEqual([[], 6])
    await expectSame()
    await client.query('ALTER TABLE t ALTER d TYPE text, ALTER x TYPE text')
    await client.query("UPDATE t SET d = '2020-01-0' || id + 7, x = '0.1'")
    await expectSame()
    expect(await warnings(client)).toHaveLength(3)
    await schema.install(client)
    expect([await warnings(client), await settingsOf(client)]).toEqual([[], 1])
    await expectSame()
  })

  it('twin: read by a cast alone, they would be what the session shows', async () => {
    const { client } = await start()
    await client.query(change)
    await client.query(
      "CREATE OR REPLACE FUNCTION pagekeep.text_of(value anyelement) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN value::text; END'",
    )
    expect(await added(client, 'UPDATE t SET x = 0.3 WHERE id = 1')).toEqual(['d/08.01.2020'])
    expect(await added(client, 'UPDATE t SET x = 0.3000000000000001 WHERE id = 1')).toEqual([])
  })
})

it('without its own settings, a trigger would compare what a session shows', async () => {
  // The control: what the function settings protect from.
  const { client } = await shop.open(undefined, `${tables} CREATE TABLE f (x float8); INSERT INTO f VALUES (0.1)`)
  await client.query('SET extra_float_digits = -10')
  const { rows } = await client.query('SELECT (0.1::float8)::text = (0.1000000000000001::float8)::text AS same')
  expect(rows).toEqual([{ same: true }])
})
