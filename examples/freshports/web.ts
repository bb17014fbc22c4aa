/**
 * The site as a process of its own. Any number of them may share a cache directory; a page is still
 * rendered once, and one listener is enough for all.
 *
 *   tsx examples/freshports/web.ts --database postgres://… --cache DIRECTORY --port 8081
 */
import { openCache, openPool, readPlaces, tellCache, untilTold } from './processes.js'
import { startSite } from './site.js'

const { database, cacheDirectory, port } = readPlaces('web.ts')
const cache = openCache(cacheDirectory, console.log)
tellCache(cache, console.log)
const db = openPool(database, console.log)
const site = await startSite({ cache, db, port, print: console.log })
console.log(`ready     ${site.origin}/`)

await untilTold()
await site.close()
await cache.close()
await db.end()
