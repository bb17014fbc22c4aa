/**
 * What is done with one connection: see that the database has what is needed, take the queues' lock or
 * stand by, listen, and from then on give every duty its turn until told to stop or the connection is lost.
 *
 * LISTEN comes before the first sweep: what was queued before is swept, what is queued after notifies.
 */
import pg from 'pg'
import type { Alarm } from './alarm.js'
import type { Connection } from './connection.js'
import { describePlace, statementFailure, unreachable } from './database-errors.js'
import type { InvalidatorEmitter } from './events.js'
import { Heartbeat } from './heartbeat.js'
import { checkChannels } from './listen-for.js'
import { queueTaken } from './listener-lock.js'
import type { CheckedOptions } from './options.js'
import { QueueTable } from './queue-table.js'
import type { Work } from './work.js'

export interface SessionOptions {
  readonly connection: Connection
  /** The connection's `application_name`. */
  readonly name: string
  readonly options: CheckedOptions
  readonly work: Work
  readonly emitter: InvalidatorEmitter
  /** Rings for a NOTIFY, a lost connection, and a stop. */
  readonly alarm: Alarm
  readonly signal: AbortSignal
  onStandingBy(): void
  onListening(): void
  onCaughtUp(): void
}

// Between another's taking of the lock and its name being beside the pages, its own processes look foreign.
const foreignTries = 4
const foreignRetryMs = 250
// A connection that was told to end takes a moment.
const leftoverRetryMs = 50

/** Resolves when it was told to stop. Rejects with a `PagekeepError` when the connection cannot go on. */
export async function runSession(session: SessionOptions): Promise<void> {
  const { connection, work, emitter, alarm, onListening } = session
  connection.onLost(() => alarm.ring())
  try {
    await checkServer(session)
    const tables = await openTables(session)
    if (tables.length > 0 && !(await takeLock(session, tables))) return
    connection.onNotify((channel) => {
      work.notified(channel)
      alarm.ring()
    })
    for (const channel of work.channels) await connection.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
    onListening()
    emitter.emit('connected', { channels: work.channels })
    await work.secondLook.restore()
    for (const notice of work.notices) notice.markDue()
    work.sweep.markDue()
    await giveTurns(session)
  } catch (thrown) {
    throw statementFailure(thrown, 'preparing to listen')
  }
}

async function checkServer({ connection, emitter, options, work }: SessionOptions): Promise<void> {
  const [server] = await connection.query(
    "SELECT pg_is_in_recovery()::text AS recovering, current_setting('transaction_read_only') AS read_only",
  )
  if (server?.recovering === 'true' || server?.read_only === 'on') {
    const what = server.recovering === 'true' ? 'is a standby (in recovery)' : 'is read only'
    throw unreachable(
      `The server at ${describePlace(connection.place)} ${what}: it cannot LISTEN, and rows cannot be deleted there. ` +
        'Connect to the primary. It is tried again.',
    )
  }
  if (await connection.isPooled()) {
    emitter.warn(
      'A pooler stands before PostgreSQL. In transaction mode NOTIFY does not arrive through it and the lock does not hold: ' +
        'connect the invalidator to the server itself.',
    )
  }
  if (options.listenFor !== undefined) await checkChannels(connection, options.listenFor, work.channels)
}

async function openTables({ connection, work }: SessionOptions): Promise<QueueTable[]> {
  const tables: QueueTable[] = []
  for (const drain of work.drains) {
    const table = await QueueTable.open(connection, drain.queue)
    drain.attach(table)
    tables.push(table)
  }
  return tables
}

/** Answers whether the lock is held; `false` when told to stop first. */
async function takeLock(session: SessionOptions, tables: readonly QueueTable[]): Promise<boolean> {
  const { connection, name, work, emitter, alarm, signal, options, onStandingBy } = session
  let standsBehind: string | undefined
  for (let tries = 0; !signal.aborted; ) {
    const answer = await work.lock.tryTake(connection, name, tables)
    if (answer.kind === 'held') return true
    if (answer.kind === 'own-leftover') {
      await alarm.sleep(leftoverRetryMs)
      continue
    }
    if (answer.kind === 'same-node') {
      tries = 0
      const { pid } = answer.holder
      if (pid !== standsBehind) emitter.emit('standingBy', { pid })
      standsBehind = pid
      onStandingBy()
      await alarm.sleep(options.standbyRetryMs)
      continue
    }
    tries++
    if (tries >= foreignTries) throw queueTaken(answer.holder)
    await alarm.sleep(foreignRetryMs)
  }
  return false
}

async function giveTurns({ connection, options, work, alarm, signal, onCaughtUp }: SessionOptions): Promise<void> {
  const { clock, heartbeatMs } = options
  const heartbeat = new Heartbeat(work.drains, clock, heartbeatMs)
  const duties = [...work.duties, heartbeat]
  const sinceMs = clock.now()
  let isCaughtUp = false
  while (!signal.aborted) {
    const now = clock.now()
    const due = duties.filter((duty) => duty.dueAtMs() <= now)
    for (const duty of due) {
      if (signal.aborted) return
      await duty.turn(connection)
    }
    // A connection that was lost meanwhile shows here.
    if (connection.isLost) await connection.query('SELECT 1')
    await work.roundDone(heartbeat.askedAtMs)
    if (!isCaughtUp && !duties.some((duty) => duty.isBehind(sinceMs))) {
      isCaughtUp = true
      onCaughtUp()
    }
    if (due.length === 0) await alarm.sleep(Math.min(...duties.map((duty) => duty.dueAtMs())) - clock.now())
  }
}
