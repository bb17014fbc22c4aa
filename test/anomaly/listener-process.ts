/**
 * A listener as a process of its own, on the directory whose pages others serve. A faithless one says that it
 * evicts and does not: for showing that the auditor would notice.
 */
import { createCache, route } from 'pagekeep'
import { PostgresInvalidator, rule, runUntilSignal } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'

export interface ListenerPlan {
  readonly connection: string
  readonly directory: string
  readonly isFaithless: boolean
}

const plan = JSON.parse(process.argv[2] ?? '{}') as ListenerPlan
const pages = route('rows/{row}/{page}.html')
const cache = createCache({ store: new DiskStore({ directory: plan.directory }) })
const faithless = {
  state: cache.state,
  evict: async () => ({ selectors: [], removed: 0, keys: [], doomed: 0 }),
}
const invalidator = new PostgresInvalidator({
  connection: plan.connection,
  target: plan.isFaithless ? faithless : cache,
  rules: [
    rule({
      channel: 'row_changed',
      queue: { table: 'changed_rows', columns: ['row_id'] },
      evict: (row) => pages.pattern({ row: row.row_id }),
    }),
  ],
  listenFor: false,
  heartbeatMs: 200,
  connectTimeoutMs: 1000,
  // What was asked when the connection went silent is waited for so long.
  queryTimeoutMs: 3000,
  reconnectMaxMs: 200,
  standbyRetryMs: 50,
})
invalidator.on('error', () => undefined)
process.on('disconnect', () => process.exit())
await runUntilSignal(invalidator)
await cache.close()
