/** How the feed itself is: its version, its size, those who read it, and what could hold them up. */
import type { Statements } from '../schema/borrowed-client.js'
import { schemaVersion } from '../schema/migrations.js'
import type { SchemaName } from '../schema/quoting.js'
import type { TableTriggers } from '../schema/triggers.js'
import { type Finding, fail, ok, warn } from './finding.js'

/** The three ways of bringing a database to what the rules say. */
export const installAdvice =
  'Run `pagekeep install`, or what `pagekeep sql` prints; in a program, FeedSchema.install() with these rules.'

export async function isInstalled(statements: Statements, schema: SchemaName): Promise<boolean> {
  const named = [schema.of('migration')]
  const [there] = await statements.query('SELECT to_regclass($1)::text AS found', named, 'looking for the schema')
  return there?.found != null
}

/** That is all there is to say then: triggers lie in the schema too. */
export function notInstalled(schema: SchemaName): Finding {
  const message = `The feed is not installed in the schema ${schema.sql}: no change is heard of.`
  return fail('schema', schema.name, message, installAdvice)
}

/** Whether the schema, which is there, is of this version; of an older one nothing else can be asked. */
export async function checkVersion(statements: Statements, schema: SchemaName): Promise<Finding> {
  const table = schema.of('migration')
  const [row] = await statements.query(
    `SELECT coalesce(max(version), 0)::text AS version FROM ${table}`,
    [],
    'reading its version',
  )
  const version = Number(row?.version)
  if (version < schemaVersion) {
    return fail(
      'schema',
      schema.name,
      `The schema is of version ${version}, this package of ${schemaVersion}.`,
      installAdvice,
    )
  }
  if (version > schemaVersion) {
    const message = `The schema is of version ${version}, this package only of ${schemaVersion}.`
    return warn('schema', schema.name, message, 'Use the same version of the package everywhere.')
  }
  return ok('schema', schema.name, `It is installed, version ${version}.`)
}

/** The rest, on a schema that is there. `retentionMs` is how long rows are to stay. */
export async function checkFeed(
  statements: Statements,
  schema: SchemaName,
  tables: readonly TableTriggers[],
  retentionMs: number,
): Promise<Finding[]> {
  return [
    await checkSize(statements, schema, retentionMs),
    ...(await checkNodes(statements, schema)),
    await checkNotifyQueue(statements, schema),
    ...(await checkPrepared(statements)),
    ...(await checkQueues(statements, tables)),
  ]
}

async function checkSize(statements: Statements, schema: SchemaName, retentionMs: number): Promise<Finding> {
  const feed = schema.of('feed')
  const [row] = await statements.query(
    `SELECT pg_size_pretty(sum(pg_total_relation_size(p))) AS size, sum(c.reltuples)::bigint::text AS rows,
            (SELECT (extract(epoch FROM clock_timestamp() - at) * 1000)::bigint::text FROM ${feed} ORDER BY xid, id LIMIT 1) AS age_ms
       FROM unnest(ARRAY[${[0, 1, 2].map((slot) => schema.literalOf(`feed_${slot}`)).join(', ')}]::regclass[]) AS p JOIN pg_class AS c ON c.oid = p`,
    [],
    'measuring the feed',
  )
  const ageMs = Number(row?.age_ms ?? 0)
  const oldest = row?.age_ms == null ? 'it is empty' : `its oldest row is ${hours(ageMs)} old`
  const message = `The feed takes ${row?.size}, ${oldest}.`
  // A row stays for one and a half retentions at most while somebody rotates.
  if (ageMs <= 2 * retentionMs) return ok('feed', schema.name, message)
  return warn(
    'feed',
    schema.name,
    `${message} Rows should be gone after ${hours(1.5 * retentionMs)}.`,
    'A FeedInvalidator that runs throws old rows away; does one run, may it call rotate(), and does no transaction stay open for days?',
  )
}

async function checkNodes(statements: Statements, schema: SchemaName): Promise<Finding[]> {
  const rows = await statements.query(
    `SELECT name, state, backlog::text AS backlog, extract(epoch FROM clock_timestamp() - seen_at)::bigint::text AS silent_s,
            extract(epoch FROM clock_timestamp() - applied_until)::bigint::text AS behind_s
       FROM ${schema.of('node')} ORDER BY name`,
    [],
    'reading nodes',
  )
  if (rows.length === 0) {
    return [
      warn(
        'node',
        schema.name,
        'No node has read the feed yet.',
        'Start a listener beside each store: pagekeep listen, or a FeedInvalidator in the site.',
      ),
    ]
  }
  return rows.map(({ name, state, backlog, silent_s, behind_s }) => {
    const node = name ?? ''
    if (Number(silent_s) > 120) {
      const advice = `Start it; or, if it is gone for good, run: DELETE FROM ${schema.of('node')} WHERE name = '${node.replaceAll("'", "''")}';`
      return warn('node', node, `The node "${node}" was last heard of ${hours(Number(silent_s) * 1000)} ago.`, advice)
    }
    if (Number(behind_s ?? 0) > 120) {
      const message = `The node "${node}" (${state}) lags by ${hours(Number(behind_s) * 1000)}, with a backlog of ${backlog ?? '?'} rows.`
      return warn('node', node, message, 'See its log: are evictions failing, or its store slow?')
    }
    return ok('node', node, `It is ${state ?? 'there'}, with a backlog of ${backlog ?? 0} rows.`)
  })
}

async function checkNotifyQueue(statements: Statements, schema: SchemaName): Promise<Finding> {
  const [row] = await statements.query('SELECT pg_notification_queue_usage()::text AS usage', [], 'reading the queue')
  return judgeNotifyQueue(schema.name, Number(row?.usage))
}

/** When the queue is full, every commit that notifies fails. */
export function judgeNotifyQueue(subject: string, usage: number): Finding {
  const percent = `${(usage * 100).toFixed(1)} %`
  if (usage < 0.1) return ok('notify-queue', subject, `The server's queue of notifications is full to ${percent}.`)
  const message = `The server's queue of notifications is full to ${percent}; when it is full, commits that notify fail.`
  const advice =
    'Some listener stands in an open transaction or does not read: look for it in pg_stat_activity, and end it.'
  return usage < 0.5 ? warn('notify-queue', subject, message, advice) : fail('notify-queue', subject, message, advice)
}

async function checkPrepared(statements: Statements): Promise<Finding[]> {
  const rows = await statements.query(
    `SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::bigint::text AS age_s FROM pg_prepared_xacts
      WHERE database = current_database() AND prepared < clock_timestamp() - interval '1 minute' ORDER BY prepared`,
    [],
    'reading prepared transactions',
  )
  return rows.map(({ gid, age_s }) =>
    warn(
      'prepared-transaction',
      gid ?? '',
      `The prepared transaction "${gid}" is ${hours(Number(age_s) * 1000)} old: what it changed is evicted once it commits.`,
      'COMMIT PREPARED or ROLLBACK PREPARED it; vacuum waits for it too.',
    ),
  )
}

/** A bridge that takes rows away leaves none: those that are there came while it did not fire. */
async function checkQueues(statements: Statements, tables: readonly TableTriggers[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { table, rules } of tables) {
    if (!rules.some((rule) => rule.kind === 'bridge' && rule.rows === 'delete')) continue
    const may = `SELECT CASE WHEN has_table_privilege(to_regclass($1), 'SELECT') THEN 'true' END AS may`
    const [right] = await statements.query(may, [table.sql], 'reading rights')
    if (right?.may !== 'true') continue
    const [row] = await statements.query(
      `SELECT count(*)::text AS rows FROM ${table.sql}`,
      [],
      `reading ${table.written}`,
    )
    if (row?.rows === '0') continue
    findings.push(
      warn(
        'queue-left',
        table.written,
        `${table.written} holds ${row?.rows} rows that its bridge should have moved to the feed.`,
        'They came while its trigger was missing or disabled. The next insert moves them all.',
      ),
    )
  }
  return findings
}

function hours(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}
