/** Protections taken out, one at a time: each race test has a twin that fails with one of these. */
import {
  type ConsumeBatch,
  consumeBatch,
  evictBatch,
  selectorsOf,
} from '../../../src/invalidators/postgres/consume-batch.js'
import type { TakenRow } from '../../../src/invalidators/postgres/queue-table.js'

/** Commits the deletion first: a crash before the eviction forgets it. */
export const commitFirst: ConsumeBatch = async (batch) => {
  const { connection, table, rule, selection } = batch
  const rows = await table.take(connection, selection)
  await evictBatch(batch, rows, selectorsOf(rule, rows))
  return rows
}

/** Locks the rows, evicts, and deletes them at the end, as a queue of jobs is often read. For ports only. */
export const lockThenDelete: ConsumeBatch = async (batch) => {
  const { connection, rule } = batch
  await connection.query('BEGIN')
  const read = await connection.query(
    'SELECT id::text AS id, category, port FROM cache_clearing_ports ORDER BY cache_clearing_ports.id FOR UPDATE SKIP LOCKED',
  )
  const rows: TakenRow[] = read.map(({ id, ...row }) => ({ id: id ?? '', version: '', row }))
  await evictBatch(batch, rows, selectorsOf(rule, rows))
  await connection.query('DELETE FROM cache_clearing_ports WHERE id::text = ANY ($1)', [rows.map(({ id }) => id)])
  await connection.query('COMMIT')
  return rows
}

export { consumeBatch }
