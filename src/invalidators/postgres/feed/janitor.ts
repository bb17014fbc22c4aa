/**
 * The janitor: lets rows that are past their retention leave the feed. Any number of processes may call it;
 * the database lets one at a time do it. A node that was away for longer notices by `low_water`.
 */
import type { SchemaName } from './schema/quoting.js'

/** How long rows stay at least, when nobody says otherwise: a day, in milliseconds. */
export const defaultRetentionMs = 24 * 3_600_000

/** What asks one statement, with all values as text. */
interface Asking {
  query(sql: string, values: readonly unknown[]): Promise<readonly Readonly<Record<string, string | null>>[]>
}

/**
 * - `tidy`: nothing is past its time (any more).
 * - `waiting`: a transaction still holds rows that are, or reads them; to be tried again.
 * - `busy`: another process does it now.
 */
export type JanitorOutcome = 'tidy' | 'waiting' | 'busy'

export interface JanitorReport {
  readonly outcome: JanitorOutcome
  /** How many partitions were emptied. */
  readonly emptied: number
  /** Whether another partition is written to now. */
  readonly hasAdvanced: boolean
}

/** Throws away what is past `retentionMs`; locks are waited for briefly. Call it about every hundredth of the retention. */
export async function tidyFeed(
  connection: Asking,
  schema: SchemaName,
  retentionMs: number = defaultRetentionMs,
): Promise<JanitorReport> {
  let emptied = 0
  let hasAdvanced = false
  // Two partitions can be emptied at most, and then the third be left; so it ends.
  for (let step = 0; step < 6; step++) {
    const [row] = await connection.query(`SELECT ${schema.of('rotate')}($1::interval) AS step`, [
      `${retentionMs} milliseconds`,
    ])
    if (row?.step === 'waiting' || row?.step === 'busy') return { outcome: row.step, emptied, hasAdvanced }
    if (row?.step === 'emptied') emptied++
    else if (row?.step === 'advanced') hasAdvanced = true
    else break
  }
  return { outcome: 'tidy', emptied, hasAdvanced }
}
