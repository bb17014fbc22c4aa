/**
 * The transactions that are open in this database at this moment, by name.
 *
 * Not by `pg_snapshot_xmin`: that knows only those that have written. A transaction that has looked at a
 * queue, found its row there, added nothing and written nothing yet has no number; one that reads by an
 * old snapshot (REPEATABLE READ) neither. Every open transaction holds a lock on its own virtual number.
 */
import type { Connection } from './connection.js'

/** What every prepared transaction's name begins with: an ordinary one changes its name when it is prepared. */
export const preparedPrefix = 'prepared '

// Locks first, prepared transactions after: one that is being prepared is then seen in either.
// Left out: other databases', which cannot touch our queues, and autovacuum's, which have no user.
const sql = `
  SELECT l.virtualtransaction AS name FROM pg_locks AS l
   WHERE l.locktype = 'virtualxid' AND l.granted AND l.pid <> pg_backend_pid()
     AND NOT EXISTS (SELECT 1 FROM pg_stat_activity AS a
                      WHERE a.pid = l.pid AND (a.datname IS DISTINCT FROM current_database() OR a.usesysid IS NULL))
   UNION ALL
  SELECT '${preparedPrefix}' || transaction::text FROM pg_prepared_xacts WHERE database = current_database()`

export async function openTransactions(connection: Connection): Promise<Set<string>> {
  const rows = await connection.query(sql)
  return new Set(rows.map(({ name }) => name ?? ''))
}
