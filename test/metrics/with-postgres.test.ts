/** What real invalidators tell: which rule an eviction came from, queues, lag; and that a queue is one. */
import { createCache, route } from 'pagekeep'
import {
  evictRoute,
  FeedInvalidator,
  FeedSchema,
  PostgresInvalidator,
  rule,
  watch,
} from 'pagekeep/invalidators/postgres'
import { observe } from 'pagekeep/metrics'
import { MemoryStore } from 'pagekeep/stores/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { readExposition } from './read-exposition.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

const page = route('rows/{id}.html')

describe('observe() with a real', () => {
  it('PostgresInvalidator counts by the queue and the channel of each rule', async () => {
    const connection = await server.createDatabase()
    await query(
      connection,
      'CREATE TABLE changed (id bigserial, row_id integer NOT NULL); INSERT INTO changed VALUES (1, 7)',
    )
    const cache = createCache({ store: new MemoryStore() })
    const queue = { table: 'changed', columns: ['row_id'] } as const
    const rules = [
      rule({ channel: 'row_changed', queue, evict: ({ row_id }) => page.pattern({ id: row_id }) }),
      rule({ channel: 'all_changed', evict: () => page.pattern() }),
    ]
    const invalidator = new PostgresInvalidator({ connection, target: cache, rules, listenFor: false })
    const observer = observe({ cache, invalidator, rules })
    await cache.getOrRender('rows/7.html', () => 'seven')
    await invalidator.start()
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_rule_evictions_total', { rule: 'changed' })).toBe(1)
    expect(found.value('pagekeep_rule_evictions_total', { rule: 'all_changed' })).toBe(1)
    expect(found.value('pagekeep_evictions_total', { why: 'queue' })).toBe(1)
    expect(found.value('pagekeep_evictions_total', { why: 'notify' })).toBe(1)
    const removed = ['changed', 'all_changed'].map(
      (name) => found.value('pagekeep_rule_removed_pages_total', { rule: name }) ?? 0,
    )
    expect(removed.reduce((sum, count) => sum + count)).toBe(1)
    expect(found.value('pagekeep_backlog_rows', { queue: 'changed' })).toBeDefined()
    expect(found.value('pagekeep_invalidator_up')).toBe(1)
    expect(found.value('pagekeep_lag_seconds')).toBeGreaterThanOrEqual(0)
    await invalidator.stop()
    expect(readExposition(await observer.prometheus()).value('pagekeep_invalidator_up')).toBe(0)
  })

  it('FeedInvalidator counts by the tables that are watched', async () => {
    const connection = await server.createDatabase()
    await query(
      connection,
      'CREATE TABLE products (id integer PRIMARY KEY, price integer); INSERT INTO products VALUES (1, 1)',
    )
    const products = watch({ table: 'products', columns: ['price'], evicts: [evictRoute(page, { id: 'id' })] })
    await new FeedSchema({ rules: [products] }).install(connection)
    const cache = createCache({ store: new MemoryStore() })
    const invalidator = new FeedInvalidator({ connection, target: cache })
    const observer = observe({ cache, invalidator, rules: [products, 'never'] })
    await invalidator.start()
    await cache.getOrRender('rows/1.html', () => 'one')
    const evicted = new Promise((resolve) => observer.onEviction(({ why, ...rest }) => why === 'feed' && resolve(rest)))
    await query(connection, 'UPDATE products SET price = 2')
    expect(await evicted).toMatchObject({ rules: ['products'], keys: ['rows/1.html'], removed: 1 })
    const found = readExposition(await observer.prometheus())
    expect(found.value('pagekeep_rule_removed_pages_total', { rule: 'products' })).toBe(1)
    expect(found.value('pagekeep_rule_evictions_total', { rule: 'never' })).toBe(0)
    expect(found.value('pagekeep_evictions_total', { why: 'emptied' })).toBe(1)
    expect(found.value('pagekeep_emptied_total', { reason: 'no-cursor' })).toBe(1)
    expect(found.value('pagekeep_owed_selectors')).toBe(0)
    await invalidator.stop()
  })
})
