/** Tables that are read and that no rule watches, columns of the wrong type, routes that nothing evicts. */
import type { Route } from '../../core/route.js'
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import type { FeedRule } from '../../invalidators/postgres/index.js'
import { type Finding, fail, ok, warn } from './finding.js'

/** `watched`: names of tables whose changes lead to an eviction, or that need not; as the catalog writes them. */
export async function checkUnwatched(
  statements: Statements,
  schema: string,
  watched: readonly string[],
): Promise<Finding[]> {
  const rows = await statements.query(
    `SELECT s.relid::regclass::text AS name, (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::text AS reads
       FROM pg_stat_user_tables AS s
      WHERE s.schemaname <> $1 AND coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0
        AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS known(name) WHERE to_regclass(known.name) = s.relid)
      ORDER BY 1`,
    [schema, watched],
    'reading statistics',
  )
  const findings = rows.map(({ name, reads }) =>
    warn(
      'unwatched',
      name ?? '',
      `The table ${name} was read ${reads === '1' ? 'once' : `${reads} times`}, and no rule evicts anything when it changes.`,
      `If pages show it, add a rule: watch({ table: '${name}', … }); if not, name it in unwatched of the config.`,
    ),
  )
  return findings.length > 0
    ? findings
    : [ok('unwatched', schema, 'Every table that is read is watched, or said not to matter.')]
}

/** A route's day wants a `date`: of an instant nobody knows the day. */
export async function checkColumnTypes(statements: Statements, rules: readonly FeedRule[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { table, evicts } of rules) {
    const days = evicts.flatMap((entry) => {
      if (entry.kind !== 'route') return []
      const names = [...entry.route.template.matchAll(/\{([^{}:]+):/g)].map(([, name = '']) => name)
      return names.flatMap((name) => entry.columns[name] ?? [])
    })
    for (const column of new Set(days)) {
      const [row] = await statements.query(
        'SELECT format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass($1)::oid AND attname = $2',
        [table.sql, column],
        'reading a type',
      )
      const subject = `${table.written}.${column}`
      if (row === undefined) continue
      if (row.type === 'date') findings.push(ok('column-type', subject, 'It is a date.'))
      else if (/^timestamp/.test(row.type ?? '')) {
        findings.push(
          warn(
            'column-type',
            subject,
            `It is an instant; its day is taken in UTC.`,
            'Make pages by the same days, or add a generated column of the type date.',
          ),
        )
      } else
        findings.push(
          fail(
            'column-type',
            subject,
            `It is of the type ${row.type}, and a route takes its text for a day.`,
            'Make it a date.',
          ),
        )
    }
  }
  return findings
}

export function checkEvictedRoutes(routes: readonly Route[], rules: readonly FeedRule[]): Finding[] {
  const evicted = new Set(
    rules.flatMap(({ evicts }) => evicts.flatMap((entry) => (entry.kind === 'route' ? [entry.route.template] : []))),
  )
  const byTag = rules.some(({ evicts }) => evicts.some((entry) => entry.kind === 'tag'))
  return routes
    .filter(({ template }) => !evicted.has(template))
    .map(({ template }) =>
      byTag
        ? ok('route-evicted', template, 'No rule names it; its pages go by their tags.')
        : warn(
            'route-evicted',
            template,
            `No rule evicts pages of route("${template}"): they stay whatever changes.`,
            'Name it in a rule with evictRoute(), or give its pages a tag that a rule evicts, or a ttl.',
          ),
    )
}
