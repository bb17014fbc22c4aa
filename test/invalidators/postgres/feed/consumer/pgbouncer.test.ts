/**
 * A real PgBouncer between a node and its server. In transaction mode each transaction may run on another of its
 * connections: no NOTIFY arrives, no lock of a session holds, no setting stays. In session mode all of that would
 * work, but it cannot be told from outside. So in both the feed is polled, by every process.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mayStartPgBouncer, type PgBouncer, startPgBouncer } from '../../../../support/pgbouncer.js'
import { until } from '../../harness.js'
import { RecordingTarget } from '../../recording-target.js'
import { FeedHarness, insert, key } from './feed-harness.js'

const harness = FeedHarness.use()

describe.skipIf(!mayStartPgBouncer()).each(['transaction', 'session'] as const)('PgBouncer in %s mode', (mode) => {
  let pgBouncer: PgBouncer
  beforeAll(async () => {
    pgBouncer = await startPgBouncer(harness.server.connectionString(), mode)
  })
  afterAll(() => pgBouncer.stop())

  it('is told of, and what is committed is evicted by polling, in two processes of a node at once', async () => {
    const direct = await harness.database()
    const site = await harness.client(direct)
    const warnings: string[] = []
    const log = () => {}
    const logger = { debug: log, info: log, error: log, warn: (message: string) => void warnings.push(message) }
    const targets = [new RecordingTarget(), new RecordingTarget()]
    const connection = pgBouncer.through(direct)
    const invalidators = targets.map((target) => harness.invalidator({ connection, target, pollMs: 20, logger }))
    await Promise.all(invalidators.map((invalidator) => invalidator.start()))
    expect(warnings.join()).toContain('A pooler stands before PostgreSQL')
    for (const name of ['a', 'b', 'c']) {
      await site.query(insert(name))
      for (const target of targets) await until(`${name} is evicted`, () => target.evicted.has(key(name)))
    }
    for (const invalidator of invalidators) expect(invalidator.status().wakeUp).toBe('poll')
  })

  it('does not keep settled() from telling when a commit is evicted', async () => {
    const direct = await harness.database()
    const target = new RecordingTarget()
    const connection = pgBouncer.through(direct)
    const invalidator = harness.invalidator({ connection, target, pollMs: 20 })
    await invalidator.start()
    for (const place of [direct, connection]) {
      const site = await harness.client(place)
      await site.query(insert(place === direct ? 'direct' : 'pooled'))
      await invalidator.settled(site)
      expect(target.evicted.has(key(place === direct ? 'direct' : 'pooled'))).toBe(true)
    }
  })
})
