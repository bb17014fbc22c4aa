/**
 * One batch of a queue: rows are deleted, what they name is evicted, and only then is the deletion
 * committed. A crash at any instruction leaves either the rows, so that it is all done again, or no page.
 *
 * Writers whose ON CONFLICT meets a row of the batch wait for that commit. An eviction that takes too
 * long must not hold them up (a fault of the cache is no fault of the site): the rows are then given
 * back, and deleted when it has ended, unless they have changed meanwhile.
 */
import type { Clock } from '../../core/clock.js'
import type { PagekeepError } from '../../core/errors.js'
import type { Connection } from './connection.js'
import type { QueueTable, Selection, TakenRow } from './queue-table.js'
import type { Rule } from './rules.js'
import { SelectorSet } from './selector-set.js'

export interface Batch {
  readonly connection: Connection
  readonly table: QueueTable
  readonly rule: Rule
  readonly selection: Selection
  readonly clock: Clock
  /** How long writers may be held up, in milliseconds. */
  readonly maxHoldMs: number
  /** Evicts, and notes down the second look. Rejects with why it could not. */
  evict(selectors: SelectorSet): Promise<void>
}

/** Answers the rows that are done. Throws `RowsRefused` and `BatchNotEvicted`, after which all rows are still there. */
export type ConsumeBatch = (batch: Batch) => Promise<readonly TakenRow[]>

/** Rules threw for these rows. */
export class RowsRefused extends Error {
  readonly errors: ReadonlyMap<string, PagekeepError>
  constructor(errors: ReadonlyMap<string, PagekeepError>) {
    super(`${errors.size} rows cannot be applied`)
    this.errors = errors
  }
}

/** The eviction for these rows failed; which of them is to blame is not known. */
export class BatchNotEvicted extends Error {
  readonly rows: readonly TakenRow[]
  constructor(rows: readonly TakenRow[], cause: unknown) {
    super('A batch could not be evicted', { cause })
    this.rows = rows
  }
}

// READ COMMITTED whatever the role's default: a serializable reader would make the writers' commits fail.
export const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED'

export const consumeBatch: ConsumeBatch = async (batch) => {
  const { connection, table, rule, selection, clock, maxHoldMs } = batch
  await connection.query(begin)
  let rows: readonly TakenRow[] = []
  let eviction: Promise<void> = Promise.resolve()
  try {
    rows = await table.take(connection, selection)
    eviction = evictBatch(batch, rows, selectorsOf(rule, rows))
    const isInTime = await settlesWithin(eviction, maxHoldMs, clock)
    await connection.query(isInTime ? 'COMMIT' : 'ROLLBACK')
    if (isInTime) return rows
  } catch (thrown) {
    await eviction.catch(() => {})
    if (!connection.isLost) await connection.query('ROLLBACK')
    throw thrown
  }
  await eviction
  await table.remove(connection, rows)
  return rows
}

/** What the rows evict, all together. Throws `RowsRefused`. */
export function selectorsOf(rule: Rule, rows: readonly TakenRow[]): SelectorSet {
  const selectors = new SelectorSet()
  const errors = new Map<string, PagekeepError>()
  for (const { id, row } of rows) {
    try {
      selectors.addAll(rule.selectorsOf(row, id))
      if (selectors.rows.length < maxToldRows) selectors.rows.push(rowText(rule, id, row))
    } catch (thrown) {
      errors.set(id, thrown as PagekeepError)
    }
  }
  if (errors.size > 0) throw new RowsRefused(errors)
  return selectors
}

const maxToldRows = 100

/** `cache_clearing_ports#17 port_id=4 category=dns` */
function rowText({ queue }: Rule, id: string, row: Readonly<Record<string, string | null>>): string {
  const values = Object.entries(row).map(([name, value]) => `${name}=${value}`)
  return `${queue?.table.written ?? ''}#${id} ${values.join(' ')}`.trim().slice(0, 200)
}

export async function evictBatch(batch: Batch, rows: readonly TakenRow[], selectors: SelectorSet): Promise<void> {
  try {
    await batch.evict(selectors)
  } catch (thrown) {
    throw new BatchNotEvicted(rows, thrown)
  }
}

/** Whether `promise` resolves in time; rejects when it does so in time. A later rejection is the caller's to await. */
async function settlesWithin(promise: Promise<void>, limitMs: number, clock: Clock): Promise<boolean> {
  promise.catch(() => {})
  let timer: ReturnType<Clock['setTimer']> | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = clock.setTimer(() => resolve(false), limitMs)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    timer?.cancel()
  }
}
