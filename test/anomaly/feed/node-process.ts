/**
 * A node: a store, a reader of the feed, and a site that asks for random pages without pause. As a process of
 * its own: `node-process.ts <plan>`. Told `settle`, it answers when what is committed is evicted here and a page is kept.
 */
import { createCache, type EvictionTarget } from 'pagekeep'
import { FeedInvalidator, type FeedInvalidatorOptions } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import pg from 'pg'
import { type FeedParts, soundFeedParts } from '../../../src/invalidators/postgres/feed/feed-work.js'
import { SnapshotSource } from '../../../src/invalidators/postgres/feed/table-source.js'
import { pages } from './shop.js'

export interface NodePlan {
  readonly connection: string
  readonly directory: string
  readonly node: string
  readonly retentionMs: number
  /** Takes every server for the one it knows: for showing that a promoted standby is another. */
  readonly isTrusting?: boolean
  /** Leaves out one eviction in so many: for showing that the audit would notice. */
  readonly forgetsEvery?: number
}

export type NodeMessage =
  | { readonly says: 'listening' | 'settled' | 'disconnected' }
  | { readonly says: 'emptied'; readonly reason: string }
  | { readonly says: 'failed'; readonly reason: string }

const plan = JSON.parse(process.argv[2] ?? '{}') as NodePlan
const { connection, forgetsEvery } = plan
const tell = (message: NodeMessage) => void process.send?.(message)

const cache = createCache({ store: new DiskStore({ directory: plan.directory }) })
cache.on('error', () => undefined)
let asked = 0
const forgetful: EvictionTarget = {
  state: cache.state,
  evict(selectors) {
    const kept = selectors.filter((selector) => selector === '**' || ++asked % (forgetsEvery ?? 1) !== 0)
    return cache.evict(kept)
  },
}
class TrustingSource extends SnapshotSource {
  override async identify(...args: Parameters<SnapshotSource['identify']>) {
    return { ...(await super.identify(...args)), timeline: 'any', boot: 'any' }
  }
}

const options: FeedInvalidatorOptions = {
  connection,
  target: forgetsEvery === undefined ? cache : forgetful,
  node: plan.node,
  retentionMs: plan.retentionMs,
  heartbeatMs: 500,
  answerTimeoutMs: 2000,
  connectTimeoutMs: 2000,
  reconnectMaxMs: 200,
  standbyRetryMs: 100,
}
const parts: FeedParts = plan.isTrusting
  ? { ...soundFeedParts, source: (schema) => new TrustingSource(schema) }
  : soundFeedParts
const invalidator = new FeedInvalidator(options, parts)
invalidator.on('error', () => undefined)
invalidator.on('disconnected', () => tell({ says: 'disconnected' }))
invalidator.on('emptied', ({ reason }) => tell({ says: 'emptied', reason }))

const pool = new pg.Pool({ connectionString: connection, max: 4, connectionTimeoutMillis: 1000, query_timeout: 2000 })
pool.on('error', () => undefined)
let isServing = true

async function serve(): Promise<void> {
  while (isServing) {
    const page = pages[Math.floor(Math.random() * pages.length)]
    if (page === undefined) continue
    try {
      await cache.getOrRender(page.key, async () => {
        const { rows } = await pool.query<{ text: string }>(page.sql, [page.id])
        // As long as real renders take: so evictions come in the midst of them.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
        return rows[0]?.text ?? ''
      })
    } catch {
      // The database is away; the site would answer 500.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const serving = [serve(), serve(), serve()]

/** Resolves when a page is kept or found. A store that was emptied a moment ago shows nothing to an audit. */
const untilFilled = () =>
  new Promise<void>((resolve) => {
    cache.on('kept', () => resolve())
    cache.on('hit', () => resolve())
  })

process.on('message', async (wish) => {
  if (wish !== 'settle') return
  const client = new pg.Client({ connectionString: connection })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await invalidator.settled(client, { timeoutMs: 60_000 })
    await untilFilled()
    isServing = false
    await Promise.all(serving)
    tell({ says: 'settled' })
  } catch (thrown) {
    tell({ says: 'failed', reason: String(thrown) })
  } finally {
    await client.end().catch(() => undefined)
  }
})
process.on('disconnect', () => process.exit())

await invalidator.start()
tell({ says: 'listening' })
