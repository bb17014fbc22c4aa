/**
 * Which triggers lead to which table or channel, by the texts of the functions: an estimate that is right for
 * triggers as people write them, and knows nothing of SQL that is put together at run time.
 */
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'

export interface TriggerFact {
  readonly trigger: string
  readonly table: string
  readonly isEnabled: boolean
  readonly functionId: string
}

export interface Writers {
  readonly functions: readonly { readonly id: string; readonly name: string; readonly source: string }[]
  readonly triggers: readonly TriggerFact[]
  /** Those whose function, or one that it calls, names `table`. */
  triggersReaching(table: string): readonly TriggerFact[]
}

export async function readWriters(statements: Statements): Promise<Writers> {
  const functions = (
    await statements.query(
      `SELECT p.oid::text AS id, p.proname::text AS name, p.prosrc AS source FROM pg_proc AS p
         JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal')`,
      [],
      'reading functions',
    )
  ).map(({ id, name, source }) => ({ id: id ?? '', name: name ?? '', source: withoutComments(source ?? '') }))
  const triggers = (
    await statements.query(
      `SELECT t.tgname::text AS trigger, t.tgrelid::regclass::text AS table, (t.tgenabled IN ('O', 'A'))::text AS enabled, t.tgfoid::text AS function
         FROM pg_trigger AS t WHERE NOT t.tgisinternal ORDER BY 2, 1`,
      [],
      'reading triggers',
    )
  ).map(({ trigger, table, enabled, function: functionId }) => ({
    trigger: trigger ?? '',
    table: table ?? '',
    isEnabled: enabled === 'true',
    functionId: functionId ?? '',
  }))
  const reaching = (expression: RegExp): ReadonlySet<string> => {
    const found = new Set<string>()
    let wanted: RegExp[] = [expression]
    while (wanted.length > 0) {
      const next = functions.filter(({ id, source }) => !found.has(id) && wanted.some((one) => one.test(source)))
      for (const { id } of next) found.add(id)
      wanted = next.map(({ name }) => new RegExp(`\\b${literally(name)}"?\\s*\\(`, 'i'))
    }
    return found
  }
  return {
    functions,
    triggers,
    triggersReaching(table) {
      const ids = reaching(new RegExp(`\\b${literally(table)}\\b`, 'i'))
      return triggers.filter(({ functionId }) => ids.has(functionId))
    },
  }
}

/** The channels that functions notify by name; `isOpen`: some make the name up as they run. */
export function channelsNotifiedBy({ functions }: Writers): {
  readonly names: ReadonlySet<string>
  readonly isOpen: boolean
} {
  const names = new Set<string>()
  let isOpen = false
  for (const { source } of functions) {
    for (const [, plain, quoted] of source.matchAll(/\bNOTIFY\s+(?:([a-z_][\w$]*)|"((?:[^"]|"")+)")/gi)) {
      names.add(plain?.toLowerCase() ?? quoted?.replaceAll('""', '"') ?? '')
    }
    for (const [, literal] of source.matchAll(/\bpg_notify\s*\(\s*(?:'([^']*)'\s*,)?/gi)) {
      if (literal === undefined) isOpen = true
      else names.add(literal)
    }
  }
  return { names, isOpen }
}

function withoutComments(source: string): string {
  return source.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, '')
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
