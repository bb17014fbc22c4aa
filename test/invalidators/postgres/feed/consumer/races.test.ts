/**
 * Races between writers, visitors and the reader of the feed, played out on a cache that keeps pages. A page that
 * is older than its data for good fails the test.
 */
import { createCache, type PageCache } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, test } from 'vitest'
import type { FeedPage, FeedSource } from '../../../../../src/invalidators/postgres/feed/feed-source.js'
import { SnapshotSource } from '../../../../../src/invalidators/postgres/feed/table-source.js'
import { connect } from '../../../../support/postgres.js'
import { begin, FeedHarness, insert, key, pg, schema } from './feed-harness.js'

const harness = FeedHarness.use()

/** What a visitor gets: the page as it is kept, or rendered from what is committed now. */
const visit = (cache: PageCache, site: pg.Client | pg.Pool, name: string) =>
  cache.getOrRender(key(name), async () => {
    const { rows } = await site.query('SELECT version FROM page WHERE name = $1', [name])
    return String(rows[0]?.version ?? 'none')
  })

describe('a writer that changes what another has just changed, and commits after that was evicted', () => {
  /** Takes each row away when it is evicted, as queues do. With a unique index: control only. */
  class DeletingSource extends SnapshotSource {
    #done: string[] = []

    override async read(...[connection, , limit]: Parameters<FeedSource['read']>): Promise<FeedPage> {
      await connection.query('DELETE FROM pagekeep.feed WHERE id = ANY ($1::bigint[])', [this.#done])
      const page = await super.read(connection, { snapshot: '1:1:', lowWater: '0' }, limit)
      this.#done = page.rows.map(({ id }) => id)
      return page
    }
  }
  const deduplicate = `
    CREATE UNIQUE INDEX once ON pagekeep.feed (slot, selector);
    CREATE OR REPLACE FUNCTION page_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO pagekeep.feed (rule, selector) SELECT 'page', 'pages/' || name FROM changed ON CONFLICT DO NOTHING;
      PERFORM pagekeep.wake();
      RETURN NULL;
    END $$`

  /** Answers what a visitor gets in the end; 2 is committed. */
  async function play(sql: string, parts = {}) {
    const connection = await harness.database()
    const [site, writer] = [await harness.client(connection), await harness.client(connection)]
    await site.query(sql)
    await site.query(insert('p'))
    const cache = createCache({ store: new MemoryStore() })
    const invalidator = harness.invalidator({ connection, target: cache }, parts)
    // It reads what the first has written, and evicts it.
    await invalidator.start()
    expect(await visit(cache, site, 'p')).toBe('1')
    await begin(writer, 'READ COMMITTED', "UPDATE page SET version = 2 WHERE name = 'p'")
    await writer.query('COMMIT')
    await invalidator.settled(writer)
    return visit(cache, site, 'p')
  }

  test('adds its own row, which is read', async () => {
    expect(await play('SELECT 1')).toBe('2')
  })

  test('control: where rows are unique and taken away, its change is lost', async () => {
    expect(await play(deduplicate, { source: () => new DeletingSource(schema) })).toBe('1')
  })
})

test('ten writers, random isolation, rollbacks, savepoints, killed connections: no page is older than its data', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const names = Array.from({ length: 25 }, (_, n) => `p${n}`)
  for (const name of names) await site.query(insert(name))
  const pool = new pg.Pool({ connectionString: connection, max: 4 })
  pool.on('error', () => {})
  harness.onEnd(() => pool.end())
  const nodes = ['web-1', 'web-2'].map((node, index) => {
    const cache = createCache({ store: new MemoryStore() })
    const options = {
      connection,
      target: cache,
      node,
      busyRows: 10 + index * 1000,
      leaseMs: 250,
      pageRows: 3 + index * 50,
    }
    return { cache, invalidator: harness.invalidator(options) }
  })
  for (const { invalidator } of nodes) await invalidator.start()

  let isOver = false
  const visitors = nodes.map(async ({ cache }) => {
    while (!isOver) {
      await visit(cache, pool, pick(names)).catch(() => {})
      // Hits need no turn of the event loop; the others do.
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const killer = (async () => {
    while (!isOver) {
      await site.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'pagekeep:%' ORDER BY random() LIMIT 1`)
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
  })()
  const outcomes = (await Promise.all(Array.from({ length: 10 }, () => write(connection, names, 40)))).flat()
  isOver = true
  await Promise.all([...visitors, killer])
  // Both kinds came; else this shows nothing.
  expect(outcomes.filter((outcome) => outcome === 'committed').length).toBeGreaterThan(100)
  expect(outcomes).toContain('rolled back')

  for (const { invalidator } of nodes) await invalidator.settled(site, { timeoutMs: 50_000 })
  const { rows } = await site.query('SELECT name, version FROM page')
  const stale = nodes.map(async ({ cache }) => {
    const kept = await Promise.all(
      rows.map(async ({ name, version }) => ({ name, version, kept: await cache.get(key(name)) })),
    )
    return kept.filter(({ version, kept }) => kept !== undefined && kept !== String(version))
  })
  expect(await Promise.all(stale)).toEqual([[], []])
})

/** Some transactions on connections of their own; answers how each ended. */
async function write(connection: string, names: readonly string[], count: number): Promise<string[]> {
  const outcomes: string[] = []
  let client = await connect(connection)
  for (let done = 0; done < count; done++) {
    try {
      outcomes.push(await transact(client, names))
    } catch {
      outcomes.push('failed')
      await client.query('ROLLBACK').catch(() => {})
    }
    if (Math.random() < 0.05) {
      await client
        .query('BEGIN')
        .then(() => client.query(update(pick(names))))
        .catch(() => {})
      // Gone in the middle of a transaction, without a goodbye.
      ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
      client = await connect(connection)
    }
  }
  await client.end()
  return outcomes
}

async function transact(client: pg.Client, names: readonly string[]): Promise<string> {
  const isolation = pick(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])
  await begin(client, isolation, update(pick(names)))
  if (Math.random() < 0.3) await client.query('SAVEPOINT s')
  else await client.query('SAVEPOINT t')
  await client.query(update(pick(names)))
  if (Math.random() < 0.2) await client.query('ROLLBACK TO SAVEPOINT s').catch(() => {})
  // Some outlive the lease.
  if (Math.random() < 0.1) await client.query(`SELECT pg_sleep(${Math.random() * 0.6})`)
  const isKept = Math.random() < 0.8
  const { command } = await client.query(isKept ? 'COMMIT' : 'ROLLBACK')
  return command === 'COMMIT' ? 'committed' : 'rolled back'
}

const update = (name: string) => `UPDATE page SET version = version + 1 WHERE name = '${name}'`

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T
}
