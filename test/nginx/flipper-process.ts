/**
 * A process of a site whose one page changes all the time: the data is counted up, the page evicted, and rendered
 * again. Run by `node --import tsx` with a cache directory, the two counters' files, a key, and what pages lie in.
 */
import { createCache } from '../../src/core/cache.js'
import { type ContentCoding, DiskStore } from '../../src/stores/disk/index.js'
import { Counter, pageOf } from './counter.js'

const [directory = '', dataPath = '', evictedPath = '', key = '', coding] = process.argv.slice(2)
const cache = createCache({ store: new DiskStore({ directory, coding: coding as ContentCoding }) })
const data = new Counter(dataPath)
const evicted = new Counter(evictedPath)

process.on('disconnect', () => process.exit())
process.send?.('ready')
for (;;) {
  const version = data.value + 1
  data.value = version
  await cache.evict(key)
  evicted.value = version
  await cache.getOrRender(key, () => pageOf(data.value))
  // For the message that ends it.
  await new Promise(setImmediate)
}
