/** A queue table that exists already, in the shape of FreshPorts', copied into the feed for any number of nodes. */
import { route } from 'pagekeep'
import { bridge, evictRoute, evictTag, FeedSchema } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { feedOf, notified, Shop } from './shop.js'

const shop = Shop.use()
const entries = [
  evictRoute(route('ports/{category}/{name}/index.html'), { category: 'category', name: 'port' }),
  evictTag('port:{port_id}'),
]
const moving = bridge({ table: 'cache_clearing_ports', evicts: entries })
const keeping = bridge({ table: 'cache_clearing_ports', evicts: entries, rows: 'keep' })
const queue = `CREATE TABLE cache_clearing_ports (
  id serial PRIMARY KEY, port_id integer, category text NOT NULL, port text NOT NULL,
  date_added timestamp DEFAULT now() NOT NULL, UNIQUE (category, port));`

const onConflict = (port: string) =>
  `INSERT INTO cache_clearing_ports (port_id, category, port) VALUES (1, 'devel', '${port}') ON CONFLICT DO NOTHING`
const whereNotExists = (port: string) =>
  `INSERT INTO cache_clearing_ports (port_id, category, port) SELECT 1, 'devel', '${port}'
    WHERE NOT EXISTS (SELECT FROM cache_clearing_ports WHERE category = 'devel' AND port = '${port}')`
const evicted = (port: string) => [`ports/devel/${port}/index.html`, 'tag:port:1']
const queued = async (client: pg.Client) => (await client.query('SELECT port FROM cache_clearing_ports')).rows.length
const clear = (client: pg.Client) => client.query('DELETE FROM pagekeep.feed')

describe.each([
  ['ON CONFLICT DO NOTHING', onConflict],
  ['WHERE NOT EXISTS', whereNotExists],
])('bridge() on a queue that de-duplicates by %s', (_, insert) => {
  it('copies every insert, also the second of the same row', async () => {
    const { database, client } = await shop.open({ rules: [moving] }, queue)
    expect(await notified(database, () => client.query(insert('x')))).toBe(1)
    expect(await feedOf(client)).toEqual(evicted('x'))
    await clear(client)
    await client.query(`BEGIN; ${insert('x')}; ${insert('x')}; COMMIT`)
    expect(await feedOf(client)).toEqual([...evicted('x'), ...evicted('x')].sort())
    expect(await queued(client)).toBe(0)
  })

  it('copies the insert of each of two writers at once', async () => {
    const { database, client } = await shop.open({ rules: [moving] }, queue)
    const other = await shop.client(database)
    await client.query(`BEGIN; ${insert('x')}`)
    const second = other.query(insert('x'))
    const isWaiting = async () => {
      const { rows } = await client.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      )
      return rows.length > 0
    }
    await expect.poll(isWaiting, { timeout: 120_000 }).toBe(true)
    await client.query('COMMIT')
    await second
    expect(await feedOf(client)).toHaveLength(4)
  })
})

describe('bridge()', () => {
  it('moves what was queued before it was there, and what is left over later', async () => {
    const { client } = await shop.open({ rules: [moving] }, `${queue} ${onConflict('old')}`)
    expect(await feedOf(client)).toEqual(evicted('old'))
    expect(await queued(client)).toBe(0)
    await clear(client)
    await client.query(
      `SET session_replication_role = replica; ${onConflict('silent')}; RESET session_replication_role`,
    )
    await client.query(onConflict('silent'))
    expect(await feedOf(client)).toEqual(evicted('silent'))
  })

  it('takes nothing with a rollback', async () => {
    const { client } = await shop.open({ rules: [moving] }, queue)
    await client.query(`BEGIN; ${onConflict('x')}; ROLLBACK`)
    expect(await feedOf(client)).toEqual([])
  })

  it('leaves rows to a listener that runs beside, and copies each attempt all the same', async () => {
    const { client } = await shop.open({ rules: [keeping] }, `${queue} ${onConflict('x')}`)
    await client.query(onConflict('x'))
    expect(await feedOf(client)).toEqual(evicted('x'))
    expect(await queued(client)).toBe(1)
  })

  it('with rows kept, an AFTER trigger alone would miss what ON CONFLICT turns away', async () => {
    const { client } = await shop.open({}, queue)
    await client.query(`CREATE TABLE seen (port text); CREATE FUNCTION after_insert() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO seen SELECT port FROM n; RETURN NULL; END';
      CREATE TRIGGER t AFTER INSERT ON cache_clearing_ports REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION after_insert()`)
    await client.query(onConflict('x'))
    await client.query(onConflict('x'))
    expect((await client.query('SELECT * FROM seen')).rows).toHaveLength(1)
  })

  it('can be changed from one way to the other, and taken away', async () => {
    const { database, client } = await shop.open({ rules: [keeping] }, queue)
    await client.query(onConflict('x'))
    await new FeedSchema({ rules: [moving] }).install(database)
    expect(await queued(client)).toBe(0)
    const triggers = `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal`
    expect((await client.query(triggers)).rows).toHaveLength(1)
    await new FeedSchema().install(database)
    expect((await client.query(triggers)).rows).toHaveLength(0)
  })
})
