/**
 * What the daemon runs by a config: a cache on the store and the invalidator that evicts from it. Made anew for each
 * reading of the config.
 */
import { createCache, type PageCache } from '../../core/cache.js'
import type { Logger } from '../../core/invalidator.js'
import { FeedInvalidator, PostgresInvalidator } from '../../invalidators/postgres/index.js'
import { DiskStore, keepJournal, keepSwitch, type Switch } from '../../stores/disk/index.js'
import type { Settings } from '../config/settings.js'
import { variable } from '../config/variables.js'
import { maxLagOf } from '../max-lag.js'
import { UsageError } from '../usage-error.js'
import type { Health } from './health.js'

export interface Listener {
  readonly kind: 'feed' | 'queues'
  readonly directory: string
  health(): Health
  /** Resolves when it has caught up, or is trying to. Rejects for what trying again cannot mend. */
  start(): Promise<void>
  /** Stops it; `start` may follow. */
  stop(): Promise<void>
  /** Stops it and closes the cache. */
  close(): Promise<void>
}

// The server is heard every heartbeat (5 s) at least; ten seconds without an answer end a connection.
const silenceMs = 30_000

export interface ListenerPlaces {
  /** The name of the node, over that of the config. */
  readonly node: string | undefined
  /** The directory of the web server's links (keep-switch.ts). */
  readonly links: string | undefined
}

/** Opens nothing yet. Throws `UsageError`, `TypeError` or `RangeError` for a config that cannot work. */
export function makeListener(settings: Settings, logger: Logger, { node, links }: ListenerPlaces): Listener {
  const { config, schema } = settings
  if (config.rules.length > 0 && config.queues !== undefined) {
    throw new UsageError(
      'The config has rules and queues; a store has one listener. Bring the queues into the feed with bridge(), or use two configs.',
    )
  }
  const connection = settings.connection()
  const store = new DiskStore(settings.store())
  const cache = createCache({ store })
  cache.on('error', (error) => logger.error(error.message, { code: error.code }))
  const common = { connection, target: cache, logger }
  const name = node ?? variable('PAGEKEEP_NODE') ?? config.listen?.node
  const invalidator =
    config.queues === undefined
      ? new FeedInvalidator({ ...common, schema, ...(name !== undefined && { node: name }) })
      : new PostgresInvalidator({ ...common, ...config.queues })
  tell(invalidator, logger)
  const journal = keepJournal({ store, cache, invalidator })
  let kept: Switch | undefined
  const stop = async () => {
    await kept?.close()
    kept = undefined
    await invalidator.stop()
  }
  return {
    kind: config.queues === undefined ? 'feed' : 'queues',
    directory: store.directory,
    health: () => ({ ...healthOf(invalidator, store.directory), journalFailures: journal.failures }),
    async start() {
      await invalidator.start()
      if (links === undefined) return
      const onFault = (error: Error) => logger.error(error.message)
      kept = await keepSwitch({ store, directory: links, maxLagMs: maxLagOf(settings, undefined), onFault })
    },
    stop,
    async close() {
      await stop()
      journal.close()
      await closeCache(cache, logger)
    },
  }
}

function tell(invalidator: FeedInvalidator | PostgresInvalidator, logger: Logger): void {
  invalidator.on('evicted', ({ why, selectors, removed }) => {
    // Second looks mostly find nothing.
    if (why === 'second-look' && removed === 0) return
    logger.info(`evicted ${removed} ${removed === 1 ? 'page' : 'pages'}`, { why, removed, selectors })
  })
  invalidator.on('disconnected', ({ retryInMs }) =>
    logger.warn(`the connection is gone; tried again in ${retryInMs} ms`),
  )
}

function healthOf(invalidator: FeedInvalidator | PostgresInvalidator, directory: string): Health {
  const { state, sinceMs, lastHeardAtMs, connections, removed, lastError } = invalidator.status()
  const heardMsAgo = lastHeardAtMs === undefined ? undefined : Date.now() - lastHeardAtMs
  const isAtWork = state === 'listening' || state === 'standing-by' || state === 'catching-up'
  return {
    isWell: isAtWork && (heardMsAgo ?? Number.POSITIVE_INFINITY) < silenceMs,
    state,
    sinceMs,
    heardMsAgo,
    connections,
    removed,
    directory,
    pid: process.pid,
    lastError: lastError && { code: lastError.code, message: lastError.message },
  }
}

async function closeCache(cache: PageCache, logger: Logger): Promise<void> {
  await cache.close().catch((thrown: unknown) => logger.error(`The cache could not be closed: ${String(thrown)}`))
}
