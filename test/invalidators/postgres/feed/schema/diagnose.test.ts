/** One thing broken at a time, and what the diagnosis says of it. */
import { route } from 'pagekeep'
import { bridge, type DiagnoseOptions, diagnose, evictRoute, evictTag, watch } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { judgeNotifyQueue } from '../../../../../src/invalidators/postgres/feed/diagnose/check-feed.js'
import { list, page, products, Shop, tables } from './shop.js'

const shop = Shop.use()
const queue = bridge({ table: 'queue', evicts: [evictTag('port:{id}')] })
const rules = [products, queue]
const sql = `${tables} CREATE TABLE queue (id int);`
const node = (seen: string, applied = 'now()') =>
  `INSERT INTO pagekeep.node (name, state, backlog, seen_at, applied_until) VALUES ('web-1', 'listening', 7, ${seen}, ${applied})`

const bad = async (client: pg.Client, options: Partial<DiagnoseOptions> = {}) => {
  const findings = await diagnose(client, { rules, ...options })
  for (const { level, advice, message } of findings) {
    expect(message).not.toContain('undefined')
    expect(advice === '').toBe(level === 'ok')
  }
  return findings.filter(({ level }) => level !== 'ok')
}
const triggerOf = async (client: pg.Client, event: string) =>
  (
    await client.query(
      `SELECT tgname FROM pg_trigger WHERE tgname LIKE '%_${event}' AND tgrelid = 'shop.products'::regclass`,
    )
  ).rows[0].tgname

it('diagnose() finds nothing wrong where nothing is, and says what it looked at', async () => {
  const { database, client } = await shop.open({ rules }, sql)
  await client.query(node('now()'))
  const findings = await diagnose(database, { rules, routes: [page, list] })
  expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
  const counts = Object.fromEntries(
    ['schema', 'table', 'trigger', 'route', 'feed', 'node', 'notify-queue'].map((code) => [
      code,
      findings.filter((finding) => finding.code === code).length,
    ]),
  )
  expect(counts).toEqual({ schema: 1, table: 2, trigger: 5, route: 2, feed: 1, node: 1, 'notify-queue': 1 })
})

describe('diagnose() notices', () => {
  it.each<[string, (client: pg.Client) => Promise<unknown>, object]>([
    [
      'a schema of an older version',
      (c) => c.query('DELETE FROM pagekeep.migration WHERE version > 1'),
      { level: 'fail', code: 'schema', message: expect.stringContaining('version 1') },
    ],
    [
      'a schema of a newer version',
      (c) => c.query(`INSERT INTO pagekeep.migration VALUES (99, 'later')`),
      { level: 'warn', code: 'schema' },
    ],
    [
      'a disabled trigger',
      async (c) => c.query(`ALTER TABLE shop.products DISABLE TRIGGER "${await triggerOf(c, 'update')}"`),
      {
        level: 'fail',
        code: 'trigger',
        message: expect.stringContaining('is disabled'),
        advice: expect.stringContaining('ENABLE TRIGGER'),
      },
    ],
    [
      'a trigger for replication only',
      async (c) => c.query(`ALTER TABLE shop.products ENABLE REPLICA TRIGGER "${await triggerOf(c, 'delete')}"`),
      { level: 'fail', code: 'trigger', message: expect.stringContaining('replication only') },
    ],
    [
      'a trigger that was dropped',
      async (c) => c.query(`DROP TRIGGER "${await triggerOf(c, 'truncate')}" ON shop.products`),
      {
        level: 'fail',
        code: 'trigger',
        subject: 'truncate on shop.products',
        message: expect.stringContaining('missing'),
      },
    ],
    [
      'a trigger of other rules',
      async (c) =>
        c.query(`COMMENT ON TRIGGER "${await triggerOf(c, 'insert')}" ON shop.products IS 'pagekeep sha256:other'`),
      { level: 'fail', code: 'trigger', message: expect.stringContaining('other rules') },
    ],
    [
      'a function that was changed by hand',
      (c) =>
        c.query(
          `DO $$ BEGIN EXECUTE (SELECT format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql AS %L', oid::regprocedure, 'BEGIN RETURN NULL; END') FROM pg_proc WHERE proname LIKE 'products%insert'); END $$`,
        ),
      { level: 'fail', code: 'trigger', message: expect.stringContaining('by hand') },
    ],
    [
      'a column that is gone',
      (c) => c.query('ALTER TABLE shop.products RENAME price TO prize'),
      { level: 'fail', code: 'columns', message: expect.stringContaining('no column "price" (did you mean "prize"?)') },
    ],
    [
      'rows that a bridge should have moved',
      (c) =>
        c.query('SET session_replication_role = replica; INSERT INTO queue VALUES (1); RESET session_replication_role'),
      { level: 'warn', code: 'queue-left', message: expect.stringContaining('1 rows') },
    ],
    [
      'a feed that nobody rotates',
      (c) => c.query(`INSERT INTO pagekeep.feed (rule, tag, at) VALUES ('t', 't', now() - interval '3 days')`),
      { level: 'warn', code: 'feed', message: expect.stringContaining('72 h') },
    ],
    [
      'a node that is silent',
      (c) => c.query(`UPDATE pagekeep.node SET seen_at = now() - interval '1 hour'`),
      { level: 'warn', code: 'node', subject: 'web-1', message: expect.stringContaining('60 min') },
    ],
    [
      'a node that lags',
      (c) => c.query(`UPDATE pagekeep.node SET applied_until = now() - interval '1 hour'`),
      { level: 'warn', code: 'node', message: expect.stringContaining('backlog of 7') },
    ],
    [
      'that no node reads',
      (c) => c.query('DELETE FROM pagekeep.node'),
      { level: 'warn', code: 'node', message: expect.stringContaining('No node') },
    ],
  ])('%s', async (_, damage, finding) => {
    const { client } = await shop.open({ rules }, sql)
    await client.query(node('now()'))
    await damage(client)
    expect(await bad(client)).toEqual([expect.objectContaining(finding)])
  })

  it('that nothing is installed, in one line', async () => {
    const { client } = await shop.open({}, sql)
    await client.query('DROP SCHEMA pagekeep CASCADE')
    expect(await bad(client)).toEqual([
      expect.objectContaining({
        level: 'fail',
        code: 'schema',
        message: expect.stringContaining('not installed'),
        advice: expect.stringContaining('pagekeep install'),
      }),
    ])
  })

  it('tables that are not there, or are none, with the nearest name', async () => {
    const { client } = await shop.open({}, `${sql} CREATE VIEW v AS SELECT 1 AS id`)
    const rule = (table: string) => watch({ table, columns: ['id'], evicts: [evictTag('x')] })
    const found = await bad(client, { rules: [rule('shop.product'), rule('v')] })
    expect(found.filter(({ code }) => code === 'table')).toEqual([
      expect.objectContaining({
        level: 'fail',
        message: 'There is no table shop.product (did you mean "shop.products"?).',
      }),
      expect.objectContaining({ level: 'fail', subject: 'v' }),
    ])
  })

  it('triggers of rules that are gone, and a partition that came later', async () => {
    const parted = watch({ table: 'parted', columns: ['id'], evicts: [evictTag('x')] })
    const { client } = await shop.open(
      { rules: [parted, products] },
      `${tables} CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)`,
    )
    await client.query(`${node('now()')}; CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)`)
    const found = await bad(client, { rules: [parted] })
    expect(found.filter(({ code }) => code === 'trigger-left')).toHaveLength(4)
    expect(found.filter(({ code }) => code === 'trigger').map(({ subject }) => subject)).toEqual(
      ['insert', 'update', 'delete', 'truncate'].map((event) => `${event} on parted_2`),
    )
  })

  it('a route that no page is kept by, with the nearest', async () => {
    const { client } = await shop.open({ rules }, sql)
    await client.query(node('now()'))
    const found = await bad(client, { routes: [list, route('products/{category}/{nam}/index.html')] })
    expect(found).toEqual([
      expect.objectContaining({
        level: 'fail',
        code: 'route',
        subject: page.template,
        message: expect.stringContaining('did you mean "products/{category}/{nam}/index.html"'),
      }),
    ])
    const escaping = watch({
      table: 'shop.products',
      columns: ['price'],
      evicts: [evictRoute(route(page.template, { letterCase: 'escape' }))],
    })
    const other = await bad(client, { rules: [escaping, queue], routes: [page] })
    expect(other.filter(({ code }) => code === 'route')).toHaveLength(1)
  })

  it('a prepared transaction that was left', async () => {
    const { client } = await shop.open({ rules, notify: false }, sql)
    await client.query(node('now()'))
    await client.query(`BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'left'`)
    expect(await bad(client)).toEqual([])
    await client.query(
      `CREATE SCHEMA fake; CREATE VIEW fake.pg_prepared_xacts AS SELECT 'left' AS gid, current_database() AS database, now() - interval '1 hour' AS prepared`,
    )
    await client.query('SET search_path = fake, pg_catalog, public')
    expect(await bad(client)).toEqual([
      expect.objectContaining({ level: 'warn', code: 'prepared-transaction', subject: 'left' }),
    ])
    await client.query(`ROLLBACK PREPARED 'left'`)
  })

  it.each([
    [0, 'ok'],
    [0.2, 'warn'],
    [0.7, 'fail'],
  ] as const)('a queue of notifications that is full to %d: %s', (usage, level) => {
    expect(judgeNotifyQueue('pagekeep', usage).level).toBe(level)
  })
})

it('diagnose() rejects when it cannot ask', async () => {
  await expect(diagnose('postgres://127.0.0.1:1/none', { rules: [] })).rejects.toMatchObject({
    code: 'database-unreachable',
  })
})
