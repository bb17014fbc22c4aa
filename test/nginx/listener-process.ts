/**
 * The one process of a site that listens to PostgreSQL and keeps nginx's switch; stopped, it can do neither. Run by
 * `node --import tsx` with a connection string, a cache directory, a directory for links and maxLagMs.
 */
import { createCache } from 'pagekeep'
import { PostgresInvalidator } from 'pagekeep/invalidators/postgres'
import { DiskStore, keepSwitch } from 'pagekeep/stores/disk'
import { dateRule } from '../invalidators/postgres/queue-database.js'

const [connection = '', directory = '', links = '', maxLagMs = ''] = process.argv.slice(2)
const store = new DiskStore({ directory })
const target = createCache({ store })
const invalidator = new PostgresInvalidator({
  connection,
  target,
  rules: [dateRule],
  listenFor: false,
  heartbeatMs: 200,
})

process.on('disconnect', () => process.exit())
await invalidator.start()
await keepSwitch({ store, directory: links, maxLagMs: Number(maxLagMs) })
process.send?.('ready')
