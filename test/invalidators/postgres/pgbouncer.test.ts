/**
 * A real PgBouncer between a listener on queues and its server. In transaction mode no NOTIFY arrives and the lock
 * does not hold, which is said; what is queued is found by sweeping all the same. In session mode all of it works.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mayStartPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.js'
import { Harness, until } from './harness.js'
import { RecordingTarget } from './recording-target.js'

const harness = Harness.use()
const queued = "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated"

describe.skipIf(!mayStartPgBouncer()).each([
  { mode: 'transaction', sweepIntervalMs: 50, by: 'a sweep' },
  { mode: 'session', sweepIntervalMs: 3_600_000, by: 'the NOTIFY' },
] as const)('PgBouncer in $mode mode', ({ mode, sweepIntervalMs, by }) => {
  let pgBouncer: PgBouncer
  beforeAll(async () => {
    pgBouncer = await startPgBouncer(harness.server.connectionString(), mode)
  })
  afterAll(() => pgBouncer.stop())

  it(`is told of, and what is queued is found by ${by}`, async () => {
    const direct = await harness.database()
    const site = await harness.client(direct)
    const target = new RecordingTarget()
    const warnings: string[] = []
    const log = () => {}
    const logger = { debug: log, info: log, error: log, warn: (message: string) => void warnings.push(message) }
    const invalidator = harness.invalidator({ connection: pgBouncer.through(direct), target, sweepIntervalMs, logger })
    await invalidator.start()
    expect(warnings.join()).toContain('connect the invalidator to the server itself')
    await site.query(queued)
    await until('the day is evicted', () => target.evicted.has('daily/2020/01/08.daily.*'))
  })
})
