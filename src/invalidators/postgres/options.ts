/** The options of a PostgresInvalidator, checked, with their defaults. */
import type pg from 'pg'
import { type Clock, systemClock } from '../../core/clock.js'
import { type EvictionTarget, type Logger, silentLogger } from '../../core/invalidator.js'
import { readConnection, readNumbers, readTarget } from './checked-options.js'
import { type ListenFor, type ListenForOptions, readListenFor } from './listen-for.js'
import { Rule } from './rules.js'
import { SteadyClock } from './steady-clock.js'

export interface PostgresInvalidatorOptions {
  /** How to connect: `postgres://…`, or what `pg.Client` takes. To the server itself, not through PgBouncer. */
  readonly connection: string | pg.ClientConfig
  /** What evicts: the cache. Without its `state`, a restart forgets the second looks that were owed. */
  readonly target: EvictionTarget
  /** Made by `rule()`. Each queue table belongs to one rule. */
  readonly rules: readonly Rule[]
  /** The table that says which channels there are. Default `{ table: 'listen_for' }`; `false`: the rules say it. */
  readonly listenFor?: ListenForOptions | false
  /** Told everything of note. It must not block. Default: silent, with errors as process warnings. */
  readonly logger?: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** How often every queue is swept and counted without a NOTIFY. Default 60,000. */
  readonly sweepIntervalMs?: number
  /**
   * How often the server is asked whether it is there and whether rows wait, and how long it may take to
   * answer. Default 5,000: a dead link is noticed within 10 s. A cache's `maxLagMs` wants to be twice as long.
   */
  readonly heartbeatMs?: number
  /** How long a connection may take to be made. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long a statement may take before the connection counts as dead. Default 30,000. */
  readonly queryTimeoutMs?: number
  /** The longest wait between attempts to connect; waits start near 100 ms, double, and are random. Default 30,000. */
  readonly reconnectMaxMs?: number
  /** The most rows of a batch. Default 500. */
  readonly batchRows?: number
  /** What a batch aims to take, since writers may wait for it. Default 50. */
  readonly batchMs?: number
  /** How long an eviction may hold up writers before their rows are given back. Default 1,000. */
  readonly maxHoldMs?: number
  /** When a row that was set aside is tried again at first; doubles. Default 1,000. */
  readonly rowRetryMinMs?: number
  /** And at the latest. Default 300,000. */
  readonly rowRetryMaxMs?: number
  /** How often a process that stands by tries to take over. Default 1,000. */
  readonly standbyRetryMs?: number
}

const numberDefaults = {
  sweepIntervalMs: 60_000,
  heartbeatMs: 5_000,
  connectTimeoutMs: 10_000,
  queryTimeoutMs: 30_000,
  reconnectMaxMs: 30_000,
  batchRows: 500,
  batchMs: 50,
  maxHoldMs: 1_000,
  rowRetryMinMs: 1_000,
  rowRetryMaxMs: 300_000,
  standbyRetryMs: 1_000,
}

export type CheckedOptions = typeof numberDefaults & {
  readonly config: pg.ClientConfig
  readonly target: EvictionTarget
  readonly rules: readonly Rule[]
  readonly listenFor: ListenFor | undefined
  readonly logger: Logger
  readonly clock: SteadyClock
}

/** Throws `TypeError` and `RangeError` for what cannot be used. */
export function checkOptions(options: PostgresInvalidatorOptions): CheckedOptions {
  const { rules, logger = silentLogger, clock = systemClock } = options
  if (!Array.isArray(rules) || rules.length === 0 || rules.some((rule) => !isRule(rule))) {
    throw new TypeError('Expected rules to be a list of what rule() makes, and at least one')
  }
  const tables = rules.flatMap(({ queue }: Rule) => (queue === undefined ? [] : [queue.table.sql]))
  const twice = tables.find((table, index) => tables.indexOf(table) !== index)
  if (twice !== undefined) throw new TypeError(`Expected one rule for each queue table, got two for ${twice}`)
  return {
    ...readNumbers(options, numberDefaults),
    config: readConnection(options.connection),
    target: readTarget(options.target),
    rules,
    listenFor: readListenFor(options.listenFor),
    logger,
    clock: new SteadyClock(clock),
  }
}

/** By name as well: ESM and CJS builds hold two classes. */
function isRule(value: unknown): value is Rule {
  return value instanceof Rule || (value as { constructor?: { name?: string } } | null)?.constructor?.name === 'Rule'
}
