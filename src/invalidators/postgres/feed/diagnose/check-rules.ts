/**
 * Whether the database has what the rules speak of: tables, columns, and triggers that were generated from
 * these rules and fire. Looks at the catalog only, which every role may read.
 */
import { didYouMean, nearestName } from '../../nearest-name.js'
import { arePlainSql } from '../schema/005-texts.sql.js'
import type { Statements, TextRow } from '../schema/borrowed-client.js'
import type { SchemaName } from '../schema/quoting.js'
import type { TableTriggers, Trigger } from '../schema/triggers.js'
import { installAdvice } from './check-feed.js'
import { type Finding, fail, ok, warn } from './finding.js'

/** The tables and columns alone, where no trigger is to be expected. One after another, since they share a connection. */
export async function checkTables(statements: Statements, tables: readonly TableTriggers[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const table of tables) {
    const parts = await statements.query(partsSql(table.columns), [table.table.sql], 'reading tables')
    findings.push(...(await checkTable(statements, table, parts)))
  }
  return findings
}

/** Tables, columns and triggers. */
export async function checkRules(
  statements: Statements,
  schema: SchemaName,
  tables: readonly TableTriggers[],
): Promise<Finding[]> {
  const triggers = await statements.query(triggersSql, [schema.name], 'reading triggers')
  const findings: Finding[] = []
  const wanted = new Set<string>()
  for (const table of tables) {
    const parts = await statements.query(partsSql(table.columns), [table.table.sql], 'reading tables')
    const found = await checkTable(statements, table, parts)
    findings.push(...found)
    for (const part of parts) {
      for (const trigger of table.triggers) {
        wanted.add(`${part.oid} ${trigger.name}`)
        if (part.is_table === 'true') findings.push(checkTrigger(part, trigger, triggers))
      }
    }
  }
  const left = triggers.filter(({ relation, name }) => !wanted.has(`${relation} ${name}`))
  return [
    ...findings,
    ...left.map(({ table, name }) =>
      warn(
        'trigger-left',
        `${name} on ${table}`,
        `The trigger "${name}" on ${table} belongs to no rule that was named here.`,
        `${installAdvice} Until then it goes on evicting, and fails writers if a column that it reads is gone.`,
      ),
    ),
  ]
}

const triggersSql = `
  SELECT t.tgrelid::text AS relation, t.tgrelid::regclass::text AS table, t.tgname::text AS name, t.tgenabled::text AS enabled,
         obj_description(t.oid, 'pg_trigger') AS comment, encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') AS body
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
   WHERE n.nspname = $1 AND NOT t.tgisinternal ORDER BY 2, 3`

// The table itself comes first, then its partitions and heirs.
const partsSql = (columns: readonly string[]) => `
  WITH RECURSIVE tree AS (
    SELECT to_regclass($1)::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid)
  SELECT c.oid::text AS oid, c.oid::regclass::text AS name, (c.relkind IN ('r', 'p'))::text AS is_table,
         (c.oid <> to_regclass($1)::oid)::text AS is_part, (${arePlainSql('to_regclass($1)', columns)})::text AS are_plain
    FROM tree JOIN pg_class AS c ON c.oid = tree.oid ORDER BY c.oid <> to_regclass($1)::oid, c.oid`

async function checkTable(
  statements: Statements,
  { table, columns }: TableTriggers,
  parts: readonly TextRow[],
): Promise<Finding[]> {
  const [whole] = parts
  if (whole === undefined) {
    const rows = await statements.query(
      `SELECT n.nspname || '.' || c.relname AS full, c.relname::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
      [],
      'reading tables',
    )
    const names = rows.flatMap(({ full, name }) => [full ?? '', name ?? ''])
    const message = `There is no table ${table.written}${didYouMean(table.written, names)}.`
    return [fail('table', table.written, message, 'Mend its name in the rule, or set the search_path, or create it.')]
  }
  if (whole.is_table !== 'true') {
    const advice = 'Watch the tables that it is made from: triggers with transition tables need a table.'
    return [fail('table', table.written, `${table.written} is not a table.`, advice)]
  }
  const rows = await statements.query(
    'SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped',
    [whole.oid],
    'reading columns',
  )
  const names = rows.map(({ name }) => name ?? '')
  const missing = columns.filter((column) => !names.includes(column))
  if (missing.length === 0)
    return [ok('table', table.written, `It has the columns ${columns.join(', ') || '(none asked)'}.`)]
  return missing.map((column) =>
    fail(
      'columns',
      table.written,
      `${table.written} has no column "${column}"${didYouMean(column, names)}.`,
      'Mend the rule and install it. If the column was dropped, writes to the table fail until then.',
    ),
  )
}

function checkTrigger(part: TextRow, trigger: Trigger, triggers: readonly TextRow[]): Finding {
  const subject = `${trigger.event} on ${part.name}`
  const found = triggers.find(({ relation, name }) => relation === part.oid && name === trigger.name)
  if (found === undefined) {
    const what =
      part.is_part === 'true' ? 'It is a partition or heir that came later' : 'It was never installed, or dropped'
    return fail(
      'trigger',
      subject,
      `The trigger for ${subject} is missing: what it does is missed. ${what}.`,
      installAdvice,
    )
  }
  if (found.enabled !== 'O' && found.enabled !== 'A') {
    const state = found.enabled === 'R' ? 'fires for replication only' : 'is disabled'
    return fail(
      'trigger',
      subject,
      `The trigger for ${subject} ${state}: changes are missed.`,
      `Run: ALTER TABLE ${part.name} ENABLE TRIGGER "${trigger.name.replaceAll('"', '""')}"; and evict what was missed.`,
    )
  }
  if (found.comment !== trigger.comment) {
    return fail(
      'trigger',
      subject,
      `The trigger for ${subject} was generated from other rules than these.`,
      installAdvice,
    )
  }
  const { plain, cast } = trigger.forms
  const [wanted, other] = part.are_plain === 'true' ? [plain, cast] : [cast, plain]
  if (found.body !== wanted.bodyHash && found.body === other.bodyHash) {
    const message = `Columns that the trigger for ${subject} reads have got another type since: it works, and costs more than it must.`
    return warn('trigger', subject, message, installAdvice)
  }
  if (found.body !== wanted.bodyHash) {
    return fail('trigger', subject, `The function of the trigger for ${subject} was changed by hand.`, installAdvice)
  }
  return ok('trigger', subject, 'It is there, enabled, and generated from these rules.')
}

/** Whether each route that rules evict is one that pages are kept by. */
export function checkRoutes(
  tables: readonly TableTriggers[],
  routes: readonly { readonly template: string; readonly letterCase?: string }[],
): Finding[] {
  const nameOf = ({ template, letterCase = 'keep' }: { template: string; letterCase?: string }) =>
    letterCase === 'keep' ? template : `${template} (letterCase: ${letterCase})`
  const known = routes.map(nameOf)
  const evicted = tables.flatMap(({ rules }) =>
    rules.flatMap(({ evicts, table }) =>
      evicts.flatMap((entry) => (entry.kind === 'route' ? [{ table, name: nameOf(entry.route) }] : [])),
    ),
  )
  return evicted.map(({ table, name }) => {
    if (known.includes(name)) return ok('route', name, `Pages are kept by it, and ${table.written} evicts them.`)
    const nearest = nearestName(name, known)
    const message = `${table.written} evicts route("${name}"), by which no page is kept`
    const hint = nearest === undefined ? '' : ` (did you mean "${nearest}"?)`
    return fail(
      'route',
      name,
      `${message}${hint}.`,
      'Use the same route for keeping and for evicting: import it, do not write it twice.',
    )
  })
}
