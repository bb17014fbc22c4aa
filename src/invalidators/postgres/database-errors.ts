/**
 * What PostgreSQL, or the way to it, answers with, as errors that say what to do.
 *
 * - `database-unreachable`: down, silent, in recovery. Tried again for ever.
 * - `database-refused`: it is there and does not let us in. Tried again for ever; somebody may mend it.
 * - `database-lacks`: a table, column or right is missing. `start()` rejects.
 */
import { isPagekeepError, PagekeepError, reasonOf } from '../../core/errors.js'

/** Where a connection goes, without the password: `freshports on db.example:5432 as www`. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly database: string | undefined
  readonly user: string | undefined
}

export function unreachable(message: string, cause?: unknown): PagekeepError {
  return new PagekeepError('database-unreachable', message, { cause })
}

export function lacks(message: string, cause?: unknown): PagekeepError {
  return new PagekeepError('database-lacks', message, { cause })
}

export function ruleFailed(message: string, cause?: unknown): PagekeepError {
  return new PagekeepError('rule-failed', message, { cause })
}

/** What trying again cannot mend. */
export function isPermanent(error: PagekeepError): boolean {
  return ['database-lacks', 'channel-unknown', 'queue-taken', 'node-taken'].includes(error.code)
}

/** The SQLSTATE of an error of PostgreSQL's, or the system's code (`ECONNREFUSED`). */
export function codeOf(thrown: unknown): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : ''
}

/** Says why a connection was not made. */
export function connectFailure(thrown: unknown, place: Place): PagekeepError {
  if (isPagekeepError(thrown)) return thrown
  const where = describePlace(place)
  const code = codeOf(thrown)
  const reason = reasonOf(thrown) || code
  const advice = refusals[code] ?? (/SASL|password/i.test(reason) ? refusals['28P01'] : undefined)
  if (advice !== undefined) {
    const message = `PostgreSQL refuses the connection to ${where}: ${reason}. ${advice}`
    return new PagekeepError('database-refused', message, { cause: thrown })
  }
  return unreachable(
    `PostgreSQL cannot be reached at ${where}: ${reason}. Is it running, and may this host connect? It is tried again.`,
    thrown,
  )
}

/** Says what went wrong with a statement. */
export function statementFailure(thrown: unknown, doing: string): PagekeepError {
  if (isPagekeepError(thrown)) return thrown
  const code = codeOf(thrown)
  const message = `PostgreSQL failed while ${doing}: ${reasonOf(thrown)}${code === '' ? '' : ` (SQLSTATE ${code})`}.`
  if (code === '42501') return lacks(`${message} Grant what it names to the role of this connection.`, thrown)
  if (code === '42P01' || code === '42703' || code === '3F000') {
    return lacks(`${message} Has the schema been changed?`, thrown)
  }
  return unreachable(`${message} It is tried again.`, thrown)
}

const refusals: Partial<Record<string, string>> = {
  '28P01': 'Check the user and the password.',
  '28000': 'Check the user, and what pg_hba.conf allows this host.',
  '3D000': 'Check the name of the database.',
  '42501': 'Grant CONNECT on the database to this role.',
}

export function describePlace({ host, port, database, user }: Place): string {
  return `"${database ?? ''}" on ${host}:${port} as "${user ?? ''}"`
}
