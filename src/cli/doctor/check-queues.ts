/** Existing queue tables: are they there, may we, who fills them, who clears them, what waits, how bloated are they. */

import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import type { ListenForOptions, Rule } from '../../invalidators/postgres/index.js'
import { readListenFor } from '../../invalidators/postgres/listen-for.js'
import { didYouMean } from '../../invalidators/postgres/nearest-name.js'
import { duration } from '../terminal.js'
import { holderOf, judgeHolder } from './check-listener.js'
import { type Finding, fail, ok, warn } from './finding.js'
import { channelsNotifiedBy, type Writers } from './writers.js'

type Queue = NonNullable<Rule['queue']>

export interface QueueParts {
  readonly statements: Statements
  readonly rules: readonly Rule[]
  readonly listenFor: ListenForOptions | false | undefined
  readonly writers: Writers
  readonly directory: string | undefined
  readonly maxLagMs: number
}

export async function checkQueues(parts: QueueParts): Promise<Finding[]> {
  const findings = await checkChannels(parts)
  for (const { queue } of parts.rules) if (queue !== undefined) findings.push(...(await checkQueue(parts, queue)))
  return findings
}

async function checkChannels({ statements, rules, listenFor, writers }: QueueParts): Promise<Finding[]> {
  const channels = [...new Set(rules.map(({ channel }) => channel))]
  const findings: Finding[] = []
  const table = readListenFor(listenFor)
  if (table !== undefined) {
    const [there] = await statements.query(
      'SELECT to_regclass($1)::text AS found',
      [table.table.sql],
      'looking for a table',
    )
    if (there?.found == null) {
      findings.push(
        fail(
          'listen-for',
          table.table.written,
          `There is no table ${table.table.written} that says which channels there are.`,
          'Set queues.listenFor: false if the rules alone shall say it, or name the table.',
        ),
      )
    } else {
      const rows = await statements.query(
        `SELECT "${table.column.replaceAll('"', '""')}"::text AS name FROM ${table.table.sql}`,
        [],
        'reading channels',
      )
      const listed = rows.flatMap(({ name }) => (name == null ? [] : [name]))
      for (const name of listed.filter((one) => !channels.includes(one))) {
        findings.push(
          fail(
            'channel',
            name,
            `${table.table.written} has the channel "${name}", for which there is no rule${didYouMean(name, channels)}.`,
            'Mend the name in the rule, or add a rule (evict: () => [] evicts nothing). The listener does not start as it is.',
          ),
        )
      }
      for (const name of channels.filter((one) => !listed.includes(one))) {
        findings.push(
          fail(
            'channel',
            name,
            `There is a rule for the channel "${name}", which ${table.table.written} does not have${didYouMean(name, listed)}.`,
            'Mend the name in the rule, or add the row. The listener does not start as it is.',
          ),
        )
      }
    }
  }
  const notified = channelsNotifiedBy(writers)
  for (const channel of channels) {
    if (notified.names.has(channel)) findings.push(ok('notify', channel, `A function notifies "${channel}".`))
    else if (!notified.isOpen || didYouMean(channel, [...notified.names]) !== '') {
      findings.push(
        warn(
          'notify',
          channel,
          `No function of the database is seen to notify "${channel}"${didYouMean(channel, [...notified.names])}.`,
          'Mend the channel in the trigger or in the rule; without it a change is evicted only by the sweep, once a minute.',
        ),
      )
    }
  }
  return findings
}

async function checkQueue(parts: QueueParts, queue: Queue): Promise<Finding[]> {
  const { statements, writers, directory, maxLagMs } = parts
  const { table, id, columns, nullableColumns } = queue
  const [found] = await statements.query(
    `SELECT c.oid::text AS oid, has_table_privilege(c.oid, 'SELECT')::text AS may_read, has_table_privilege(c.oid, 'DELETE')::text AS may_delete,
            current_user::text AS role, array_to_string(c.reloptions, ',') AS options,
            s.n_dead_tup::text AS dead, s.n_live_tup::text AS live
       FROM pg_class AS c LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid WHERE c.oid = to_regclass($1)::oid`,
    [table.sql],
    'looking at a queue',
  )
  if (found === undefined)
    return [
      fail(
        'queue',
        table.written,
        `There is no table ${table.written}.`,
        'Mend its name in the rule, or set the search_path of the role, or create it.',
      ),
    ]
  const attributes = await statements.query(
    `SELECT attname::text AS name, format_type(atttypid, NULL) AS type, attnum::text AS number FROM pg_attribute
      WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [found.oid],
    'reading columns',
  )
  const names = attributes.map(({ name }) => name ?? '')
  const missing = [id, ...columns, ...nullableColumns].filter((name) => !names.includes(name))
  const findings = missing.map((name) =>
    fail(
      'queue',
      table.written,
      `${table.written} has no column "${name}"${didYouMean(name, names)}.`,
      'Mend the rule.',
    ),
  )
  findings.push(
    ...attributes.flatMap(({ name, type }) =>
      [...columns, ...nullableColumns].includes(name ?? '') ? checkType(table.written, name ?? '', type ?? '') : [],
    ),
  )
  for (const [right, may] of [
    ['SELECT', found.may_read],
    ['DELETE', found.may_delete],
  ]) {
    if (may !== 'true')
      findings.push(
        fail(
          'rights',
          table.written,
          `The role "${found.role}" lacks the right to ${right} on ${table.written}: the listener does not start.`,
          `Run: GRANT SELECT, DELETE ON ${table.sql} TO "${found.role}";`,
        ),
      )
  }
  if (findings.every(({ level }) => level !== 'fail'))
    findings.push(ok('queue', table.written, 'It has the columns and rights that are needed.'))
  findings.push(...checkWriters(table.name, table.written, writers))
  const holder = await holderOf(statements, table.sql)
  findings.push(judgeHolder(table.written, holder, directory))
  if (found.may_read === 'true') findings.push(await checkBacklog(statements, queue, attributes, maxLagMs))
  findings.push(checkBloat(table.written, table.sql, Number(found.dead), Number(found.live), found.options ?? ''))
  return findings
}

function checkType(table: string, column: string, type: string): Finding[] {
  const subject = `${table}.${column}`
  if (type === 'timestamp with time zone') {
    return [
      warn(
        'column-type',
        subject,
        `It is an instant, which is read in the time zone of the role: which day it is depends on that.`,
        'Let the trigger write the day: a column of the type date.',
      ),
    ]
  }
  if (/^(real|double precision|json|jsonb|bytea)$/.test(type)) {
    return [
      warn(
        'column-type',
        subject,
        `It is of the type ${type}, whose text need not be the one in the page's name.`,
        'Use text, an integer, or date.',
      ),
    ]
  }
  return []
}

function checkWriters(name: string, written: string, writers: Writers): Finding[] {
  const filling = writers.triggersReaching(name)
  if (filling.length === 0)
    return [
      warn(
        'queue-writer',
        written,
        `No trigger is seen that fills ${written}.`,
        'Right if the application fills it itself; otherwise install the triggers.',
      ),
    ]
  return filling.map(({ trigger, table, isEnabled }) =>
    isEnabled
      ? ok('trigger', `${trigger} on ${table}`, `It fills ${written}.`)
      : fail(
          'trigger',
          `${trigger} on ${table}`,
          `The trigger "${trigger}" on ${table} is disabled: changes do not reach ${written}.`,
          `Run: ALTER TABLE ${table} ENABLE TRIGGER "${trigger}"; and evict what was missed: pagekeep clear.`,
        ),
  )
}

async function checkBacklog(
  statements: Statements,
  { table }: Queue,
  attributes: readonly { readonly [name: string]: string | null }[],
  maxLagMs: number,
): Promise<Finding> {
  const added = attributes.find(({ type }) => /^timestamp/.test(type ?? ''))?.name
  const age =
    added == null
      ? 'NULL'
      : `(extract(epoch FROM clock_timestamp() - min("${added.replaceAll('"', '""')}")) * 1000)::bigint::text`
  const [row] = await statements.query(
    `SELECT count(*)::text AS rows, ${age} AS age_ms FROM ${table.sql}`,
    [],
    `counting ${table.written}`,
  )
  const rows = Number(row?.rows)
  const ageMs = Number(row?.age_ms ?? 0)
  const message = `${rows} rows wait${ageMs > 0 && rows > 0 ? `, the oldest for ${duration(ageMs)}` : ''}.`
  if (rows === 0 || (ageMs <= maxLagMs && rows < 10_000)) return ok('backlog', table.written, message)
  return fail(
    'backlog',
    table.written,
    message,
    'See the log of the listener: is it there, are evictions failing, or rows set aside that no rule can apply?',
  )
}

function checkBloat(written: string, sql: string, dead: number, live: number, options: string): Finding {
  if (/autovacuum_enabled=(false|off|0)/.test(options))
    return warn(
      'dead-tuples',
      written,
      'Autovacuum is switched off for it.',
      `Run: ALTER TABLE ${sql} RESET (autovacuum_enabled);`,
    )
  if (dead < 10_000 || dead < 10 * live) return ok('dead-tuples', written, `${dead} dead rows.`)
  return warn(
    'dead-tuples',
    written,
    `${dead} dead rows, and ${live} live ones: every look at it reads them all.`,
    `Run: VACUUM ${sql}; and let autovacuum come sooner: ALTER TABLE ${sql} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000); a transaction that stays open holds it up.`,
  )
}
