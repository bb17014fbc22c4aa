/** Whether the listener of this store lives, by what it leaves beside the pages and holds in the database. */
import { signOfLife } from '../../core/sight.js'
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { inspectState } from '../../stores/disk/inspect.js'
import { duration } from '../terminal.js'
import { type Finding, fail, ok } from './finding.js'

const start = 'Start it: pagekeep listen (under systemd: systemctl start pagekeep), and see its log.'

/** How old the sign of life is, in milliseconds; `undefined`: there is none. */
export function silenceOf(directory: string): number | undefined {
  const heardUntilMs = Number(inspectState(directory, signOfLife))
  return heardUntilMs > 0 ? Date.now() - heardUntilMs : undefined
}

export function checkListener(directory: string, maxLagMs: number): Finding {
  const silentMs = silenceOf(directory)
  if (silentMs === undefined) {
    return fail(
      'listener',
      directory,
      'No listener has ever told of itself beside these pages.',
      `${start} If one runs, it works on another directory: compare store.directory of both.`,
    )
  }
  if (silentMs <= maxLagMs)
    return ok('listener', directory, `It lives: all that was committed until ${duration(silentMs)} ago is evicted.`)
  return fail(
    'listener',
    directory,
    `The listener was last heard of ${duration(silentMs)} ago: pages may be stale by as much.`,
    `Is it dead, stopped, or cut off from the database? ${start}`,
  )
}

export interface Holder {
  readonly pid: string
  readonly name: string
  readonly address: string
}

/** Who holds the lock of a queue table. */
export async function holderOf(statements: Statements, tableSql: string): Promise<Holder | undefined> {
  const [row] = await statements.query(
    `SELECT a.pid::text AS pid, a.application_name AS name, coalesce(a.client_addr::text, 'the same host') AS address
       FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = ${0x706b6570}::oid
        AND l.objid = to_regclass($1)::oid AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [tableSql],
    'looking for the listener',
  )
  return row && { pid: row.pid ?? '', name: row.name ?? '', address: row.address ?? '' }
}

/** Whether the queue's one listener is there, and works for these pages. */
export function judgeHolder(table: string, holder: Holder | undefined, directory: string | undefined): Finding {
  if (holder === undefined)
    return fail('queue-listener', table, `Nobody listens to the queue ${table}: its rows wait.`, start)
  const own = directory === undefined ? undefined : inspectState(directory, 'postgres-listener')
  if (directory === undefined || own === holder.name)
    return ok('queue-listener', table, `${holder.name} (pid ${holder.pid}) clears it.`)
  return fail(
    'second-node',
    table,
    `The queue ${table} is cleared by the listener of another store: "${holder.name}" (pid ${holder.pid}, from ${holder.address}). These pages miss what it takes.`,
    'A queue serves one store. Stop that listener, or let both share one directory, or bring the queue into the feed with bridge(), which serves any number.',
  )
}
