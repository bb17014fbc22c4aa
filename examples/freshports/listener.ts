/**
 * The listener as a process of its own, as in the seed: it hears what the database announces and removes
 * the files. Ends on SIGTERM, Ctrl-C, and with the demo that started it; killed at any moment, it finds
 * what was queued when it is started again.
 *
 *   tsx examples/freshports/listener.ts --database postgres://… --cache DIRECTORY
 */
import { runUntilSignal } from 'pagekeep/invalidators/postgres'
import { makeInvalidator, openCache, readPlaces } from './processes.js'

const { database, cacheDirectory } = readPlaces('listener.ts')
const cache = openCache(cacheDirectory, console.log)
const invalidator = makeInvalidator(database, cache, console.log)
invalidator.ready().then(
  () => console.log('ready     all that was queued is cleared'),
  () => {},
)
// Who forked this process (the demo, tsx) is gone.
const orphaned = () => process.kill(process.pid, 'SIGTERM')
process.once('disconnect', orphaned)
try {
  await runUntilSignal(invalidator)
} catch (thrown) {
  console.error((thrown as Error).message)
  process.exitCode = 1
} finally {
  process.off('disconnect', orphaned)
  await cache.close()
}
