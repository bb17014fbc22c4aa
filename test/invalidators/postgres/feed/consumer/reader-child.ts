/** A reader of the feed as a process of its own, for nodes.test.ts: `reader-child.ts <connection> <directory>`. */
import { createCache, type EvictionTarget } from 'pagekeep'
import { FeedInvalidator, runUntilSignal } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'

const [, , connection = '', directory = ''] = process.argv
const cache = createCache({ store: new DiskStore({ directory }) })
const target: EvictionTarget = {
  state: cache.state,
  async evict(selectors) {
    process.stdout.write(`evicting ${selectors.join()}\n`)
    if (!selectors.includes('**')) await new Promise(() => {})
    return cache.evict(selectors)
  },
}
const invalidator = new FeedInvalidator({ connection, target, node: 'shared' })
void invalidator.ready().then(() => void process.stdout.write('listening\n'))
await runUntilSignal(invalidator)
