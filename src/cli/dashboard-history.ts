/**
 * What other processes did to the pages, for the dashboard: from the journal beside them, and where no listener keeps one
 * from the feed, which knows what was changed and not what that removed.
 */
import type { History, ToldEviction } from '../dashboard/index.js'
import { readJournal } from '../stores/disk/inspect.js'
import { atMostEvery } from './dashboard-nodes.js'
import { type FeedRow, readFeed } from './site-database.js'
import { type Context, whereDatabase } from './workplace.js'

const shown = 50
const everyMs = 5000

export function readHistory(context: Context, directory: string): () => Promise<History> {
  const feed = atMostEvery(everyMs, async () => (await fromFeed(context)) ?? [])
  return async () => {
    const { evictions, dooms } = fromJournal(directory)
    const isTold = evictions.some(({ why }) => why !== 'call')
    return {
      dooms,
      evictions: isTold || context.settings.config.queues !== undefined ? evictions : [...evictions, ...(await feed())],
    }
  }
}

/** Without what this process told: it shows that itself. */
function fromJournal(directory: string) {
  const evictions: ToldEviction[] = []
  const dooms: { atMs: number; key: string }[] = []
  for (const entry of readJournal(directory)) {
    if (evictions.length >= shown && dooms.length >= shown) break
    if (entry.pid === process.pid) continue
    if (entry.kind === 'doomed') {
      if (dooms.length < shown) dooms.push({ atMs: entry.atMs, key: entry.key })
    } else if (evictions.length < shown) {
      const { atMs, why, rules, selectors, removed, keys, doomed } = entry
      evictions.push({ atMs, why, rules, removed, doomed, selectors: selectors.slice(0, 12), keys: keys.slice(0, 12) })
    }
  }
  return { evictions, dooms }
}

function fromFeed(context: Context): Promise<ToldEviction[] | undefined> {
  return whereDatabase(context, async (statements) => {
    const rows = await readFeed(statements, context.settings.schema, shown)
    return rows.map(({ atMs, table, selector }: FeedRow) => ({
      atMs,
      why: 'committed',
      rules: [table],
      selectors: [selector],
      removed: null,
      keys: [],
      doomed: null,
    }))
  })
}
