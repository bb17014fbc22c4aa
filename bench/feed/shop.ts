/**
 * The tables that are written to, all alike but for what hangs on them: nothing, the feed's triggers (of a feed
 * whose reader takes the poll lease, and of one whose reader does not), or a queue table's trigger as
 * FreshPorts has it. 20,000 items in 200 categories; each item has a directory with two pages.
 */
import { route } from 'pagekeep'
import { evictRoute, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'

export const items = 20_000
export const categories = 200

/** The tables; each name says what hangs on it. */
export const tables = {
  plain: 'plain',
  /** Names the changed item: `items/c7/i4207/*`. */
  leased: 'leased',
  /** The same, of the other feed. */
  notifying: 'notifying',
  /** Names the category of the changed item. */
  listed: 'listed',
  queued: 'queued',
} as const
export type Table = keyof typeof tables

/** A feed and the schema that it lies in. */
export type Feed = 'leased' | 'notifying'
export const schemas: Record<Feed, string> = { leased: 'pagekeep', notifying: 'pagekeep_notifying' }

const page = route('items/{category}/{name}/{file}')
const list = route('lists/{category}/{file}')

/** The directory of an item's pages, below that of all pages. */
export const directoryOf = (id: number): string => `items/c${id % categories}/i${id}`
export const filesOf = (id: number): string[] => ['page.html', 'head.html'].map((name) => `${directoryOf(id)}/${name}`)

export const queueTable = 'cache_clearing_items'
export const queueChannel = 'item_updated'

export async function openShop(client: pg.Client): Promise<void> {
  for (const table of Object.values(tables)) {
    await client.query(`
      CREATE TABLE ${table} (id int PRIMARY KEY, category text NOT NULL, name text NOT NULL, title text NOT NULL,
        price int NOT NULL DEFAULT 0, views int NOT NULL DEFAULT 0) WITH (fillfactor = 70);
      INSERT INTO ${table} SELECT id, 'c' || id % ${categories}, 'i' || id, 'The item with the number ' || id
        FROM generate_series(1, ${items}) AS id`)
  }
  await client.query(queueSql)
  const watched = (table: string) =>
    watch({ table, columns: ['price'], evicts: [evictRoute(page, { category: 'category', name: 'name' })] })
  const listed = watch({
    table: tables.listed,
    columns: ['price'],
    evicts: [evictRoute(list, { category: 'category' })],
  })
  const rules = { leased: [watched(tables.leased), listed], notifying: [watched(tables.notifying)] }
  for (const feed of ['leased', 'notifying'] as const) {
    await new FeedSchema({ rules: rules[feed], schema: schemas[feed] }).install(client)
  }
  await client.query(`VACUUM ANALYZE ${Object.values(tables).join(', ')}`)
  await client.query('CHECKPOINT')
}

/** Names that occur once are queued once, and only a new one notifies. */
const queueSql = `
  CREATE TABLE ${queueTable} (id serial PRIMARY KEY, category text NOT NULL, name text NOT NULL,
    date_added timestamp NOT NULL DEFAULT now(), UNIQUE (category, name));
  CREATE FUNCTION queue_item() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO ${queueTable} (category, name) VALUES (NEW.category, NEW.name) ON CONFLICT DO NOTHING;
    IF FOUND THEN NOTIFY ${queueChannel}; END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER queue_item AFTER UPDATE ON ${tables.queued} FOR EACH ROW EXECUTE FUNCTION queue_item()`
