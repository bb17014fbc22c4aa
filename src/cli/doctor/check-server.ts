/** The way to the server and its clock: what stands in between, and which time it is there. */
import type pg from 'pg'
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { duration } from '../terminal.js'
import { type Finding, fail, ok, warn } from './finding.js'

const maxSkewMs = 2000

export async function checkServer(
  client: pg.ClientBase,
  statements: Statements,
  kind: 'feed' | 'queues',
): Promise<Finding[]> {
  const askedAtMs = Date.now()
  const [row = {}] = await statements.query(
    `SELECT pg_backend_pid()::text AS pid, pg_is_in_recovery()::text AS recovering, current_database()::text AS database,
            current_user::text AS role, current_setting('server_version') AS version, current_setting('TimeZone') AS zone,
            current_setting('server_version_num') AS number, current_setting('autovacuum') AS autovacuum,
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS now_ms`,
    [],
    'asking the server about itself',
  )
  const tookMs = Date.now() - askedAtMs
  const subject = row.database ?? ''
  const findings = [ok('database', subject, `PostgreSQL ${row.version} answers, as the role "${row.role}".`)]
  const isPooled = row.pid !== String((client as unknown as { processID: number | null }).processID)
  findings.push(judgePooler(subject, isPooled, kind))
  if (row.recovering === 'true') {
    const message = 'The server is a standby.'
    findings.push(
      kind === 'queues'
        ? fail(
            'standby',
            subject,
            `${message} Nothing can be heard there, nor rows deleted.`,
            'Connect the listener to the primary.',
          )
        : warn(
            'standby',
            subject,
            `${message} The listener polls there.`,
            'Right if pages are rendered from it; otherwise connect to the primary.',
          ),
    )
  }
  if (kind === 'feed' && Number(row.number) < 150_000) {
    findings.push(
      fail(
        'version',
        subject,
        `The feed needs PostgreSQL 15 or later, this is ${row.version}.`,
        'Use queue tables with PostgresInvalidator, or update the server.',
      ),
    )
  }
  if (row.autovacuum === 'off')
    findings.push(
      warn(
        'autovacuum',
        subject,
        'Autovacuum is switched off.',
        'Set autovacuum = on: tables that are written often grow without it.',
      ),
    )
  const skewMs = Math.abs(Number(row.now_ms) - askedAtMs - tookMs / 2)
  findings.push(
    skewMs > maxSkewMs + tookMs
      ? warn(
          'clock',
          subject,
          `The clocks of this host and of the server differ by ${duration(skewMs)}.`,
          'Run NTP on both: how far pages lag is measured with these clocks (what is kept does not depend on them).',
        )
      : ok('clock', subject, 'The clocks agree.'),
  )
  findings.push(
    /^(UTC|Etc\/UTC|GMT)$/.test(row.zone ?? '')
      ? ok('time-zone', subject, 'The role works in UTC.')
      : warn(
          'time-zone',
          subject,
          `The role's time zone is ${row.zone}: an instant that is read as text, or cast to a date, is of that zone.`,
          `Where pages are of days: use date columns, or say AT TIME ZONE; or ALTER ROLE "${row.role}" SET TimeZone = 'UTC'.`,
        ),
  )
  return findings
}

function judgePooler(subject: string, isPooled: boolean, kind: 'feed' | 'queues'): Finding {
  if (!isPooled) return ok('pooler', subject, 'Nothing stands between this host and the server.')
  const message =
    'A pooler (PgBouncer?) stands before the server: NOTIFY does not arrive through it in transaction mode'
  if (kind === 'feed')
    return warn(
      'pooler',
      subject,
      `${message}, so the listener polls.`,
      'Connect the listener to the server itself, by its own port, to evict sooner.',
    )
  return fail(
    'pooler',
    subject,
    `${message}, and the lock of the queue does not hold.`,
    'Connect the listener to the server itself, by its own port.',
  )
}
