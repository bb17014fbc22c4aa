/** One process that keeps pages on a directory with a size limit, until it is done or killed. Run by `node --import tsx`. */
import { setImmediate } from 'node:timers/promises'
import { DiskStore } from '../../../src/stores/disk/index.js'

const [directory = '', maxFiles = '', from = '', to = ''] = process.argv.slice(2)
const store = new DiskStore({ directory, maxFiles: Number(maxFiles) })
for (let page = Number(from); page < Number(to); page++) {
  const fill = store.begin(`${page % 10}/${page}.html`)
  if (fill instanceof Promise || fill.kind !== 'fill') continue
  await fill.publish({ body: 'a page', tags: [], renderBeganAtMs: Date.now() })
  // The parent may kill it half-way.
  if (page === Math.floor((Number(from) + Number(to)) / 2)) process.send?.('half')
  await setImmediate()
}
await store.close()
process.disconnect?.()
