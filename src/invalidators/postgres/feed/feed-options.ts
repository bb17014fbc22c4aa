/** The options of a FeedInvalidator, checked, with their defaults. */
import type pg from 'pg'
import { type Clock, systemClock } from '../../../core/clock.js'
import { type EvictionTarget, type Logger, silentLogger } from '../../../core/invalidator.js'
import { readConnection, readNumbers, readTarget } from '../checked-options.js'
import { SteadyClock } from '../steady-clock.js'
import { defaultRetentionMs } from './janitor.js'
import { readSchemaName, type SchemaName } from './schema/quoting.js'

export interface FeedInvalidatorOptions {
  /**
   * How to connect: `postgres://…`, or what `pg.Client` takes. To the server that pages are rendered from: the
   * primary, or a hot standby (then it polls). Behind PgBouncer it works, and polls.
   */
  readonly connection: string | pg.ClientConfig
  /** What evicts: the cache. Without its `state` nothing is remembered, and each start empties it. */
  readonly target: EvictionTarget
  /** The schema that `FeedSchema` installed. Default `'pagekeep'`. */
  readonly schema?: string
  /** The name of this store among all nodes. Default: the host's name and a random part, kept beside the pages. */
  readonly node?: string
  /** Told everything of note. It must not block. Default: silent, with errors as process warnings. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /**
   * Whether to LISTEN. Default `true`. `false` polls every `pollMs`, as is done by itself on a standby, behind a
   * pooler, and when the schema was installed with `notify: false`.
   */
  readonly listen?: boolean
  /** How often to poll where NOTIFY does not arrive. Default 1,000: a change is evicted up to that much later. */
  readonly pollMs?: number
  /**
   * Rows and NOTIFYs within a second above which the poll lease is taken, so that writers stop sending NOTIFYs,
   * which make their commits wait for each other. Default 20; very many: never, at that price.
   */
  readonly busyRows?: number
  /** How long a lease runs, and what polling goes on for after the last busy second. Default 2,000. */
  readonly leaseMs?: number
  /**
   * How often to poll while a lease runs, times the number of nodes. Default 10: while the site is busy a change
   * is evicted up to that much later; less costs the server that many more queries.
   */
  readonly leasePollMs?: number
  /**
   * How often to read the feed without being woken: the sign that the server is there, and the net for a NOTIFY
   * that was lost. Default 5,000. A cache's `maxLagMs` wants to be twice as long.
   */
  readonly heartbeatMs?: number
  /** How long a statement may take before the connection counts as dead. Default 5,000: a dead link shows within 10 s. */
  readonly answerTimeoutMs?: number
  /** How long a connection may take to be made. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** The longest wait between attempts to connect; waits start near 100 ms, double, and are random. Default 30,000. */
  readonly reconnectMaxMs?: number
  /** Rows that one statement reads. Default 2,000. */
  readonly pageRows?: number
  /** Selectors that are evicted in one go, before other work of this process gets its turn. Default 200. */
  readonly sliceSelectors?: number
  /** How often the cursor is saved when it only moved, with nothing evicted. Default 1,000. */
  readonly saveEveryMs?: number
  /** When an eviction that failed is tried again at first; doubles. Default 1,000. */
  readonly retryMinMs?: number
  /** And at the latest. Default 60,000. */
  readonly retryMaxMs?: number
  /**
   * How long rows of the feed are kept at least. Default 86,400,000 (a day): a node that was away for longer empties
   * its store when it comes back. The same for all nodes, or the least counts.
   */
  readonly retentionMs?: number
  /** How often a process that stands by tries to take over. Default 1,000. */
  readonly standbyRetryMs?: number
  /**
   * How long the process that reads may show no progress before one that stands by ends its connection and takes
   * over: it is stopped, or blocked. Default 60,000.
   */
  readonly takeoverAfterMs?: number
}

const numberDefaults = {
  pollMs: 1_000,
  busyRows: 20,
  leaseMs: 2_000,
  leasePollMs: 10,
  heartbeatMs: 5_000,
  answerTimeoutMs: 5_000,
  connectTimeoutMs: 10_000,
  reconnectMaxMs: 30_000,
  pageRows: 2_000,
  sliceSelectors: 200,
  saveEveryMs: 1_000,
  retryMinMs: 1_000,
  retryMaxMs: 60_000,
  retentionMs: defaultRetentionMs,
  standbyRetryMs: 1_000,
  takeoverAfterMs: 60_000,
}

export type CheckedFeedOptions = typeof numberDefaults & {
  readonly config: pg.ClientConfig
  readonly target: EvictionTarget
  readonly schema: SchemaName
  readonly node: string | undefined
  readonly listen: boolean
  readonly logger: Logger
  readonly clock: SteadyClock
}

/** Throws `TypeError` and `RangeError` for what cannot be used. */
export function checkFeedOptions(options: FeedInvalidatorOptions): CheckedFeedOptions {
  const { schema = 'pagekeep', node, listen = true } = options
  const { logger = silentLogger, clock = systemClock } = options
  if (typeof listen !== 'boolean') throw new TypeError(`Expected listen to be true or false, got ${String(listen)}`)
  if (node !== undefined && (typeof node !== 'string' || node === '' || /\p{Cc}/u.test(node))) {
    throw new TypeError(`Expected node to be a name without control characters, got ${JSON.stringify(node)}`)
  }
  return {
    ...readNumbers(options, numberDefaults),
    config: readConnection(options.connection),
    target: readTarget(options.target),
    schema: readSchemaName(schema),
    node,
    listen,
    logger,
    clock: new SteadyClock(clock),
  }
}
