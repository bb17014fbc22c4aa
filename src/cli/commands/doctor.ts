/** `doctor`: looks at the directory, the way to the database, the rules and the listener, and says what to do. */
import type pg from 'pg'
import { isPagekeepError, type PagekeepError, reasonOf } from '../../core/errors.js'
import { judgeNotifyQueue } from '../../invalidators/postgres/feed/diagnose/check-feed.js'
import { type Statements, withClient, withStatements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { readSchemaName } from '../../invalidators/postgres/feed/schema/quoting.js'
import { diagnose } from '../../invalidators/postgres/index.js'
import { readListenFor } from '../../invalidators/postgres/listen-for.js'
import type { Settings } from '../config/settings.js'
import { checkDirectory } from '../doctor/check-directory.js'
import { checkListener } from '../doctor/check-listener.js'
import { checkMatches } from '../doctor/check-matches.js'
import { checkQueues } from '../doctor/check-queues.js'
import { checkServer } from '../doctor/check-server.js'
import { checkColumnTypes, checkEvictedRoutes, checkUnwatched } from '../doctor/check-tables.js'
import { byLevel, type Finding, fail, gathered, warn } from '../doctor/finding.js'
import { readWriters } from '../doctor/writers.js'
import { exitCodes } from '../exit-codes.js'
import { maxLagOf } from '../max-lag.js'
import type { Context } from '../workplace.js'

interface DoctorFlags {
  readonly strict?: boolean | string | undefined
  readonly quiet?: boolean | string | undefined
  readonly all?: boolean | string | undefined
  readonly maxLag?: boolean | string | undefined
}

export async function doctor({ settings, terminal }: Context, _given: unknown, flags: DoctorFlags): Promise<number> {
  const maxLagMs = maxLagOf(settings, flags.maxLag as string | undefined)
  const findings = (await examine(settings, maxLagMs)).sort(byLevel)
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  const shown = flags.quiet === true ? findings.filter(({ level }) => level !== 'ok') : findings
  const paints = { fail: terminal.red, warn: terminal.yellow, ok: terminal.green }
  terminal.answer({ fail: count('fail'), warn: count('warn'), ok: count('ok'), findings: shown }, () => [
    // What is to be done comes last, where the eye is.
    ...(flags.all === true ? shown : gathered(shown))
      .reverse()
      .flatMap(({ level, code, subject, message, advice }) => [
        `${paints[level](level.padEnd(4))}  ${terminal.bold(code)}  ${terminal.dim(subject)}  ${message}`,
        ...(advice === '' ? [] : [`      ${advice}`]),
      ]),
    ...(flags.quiet === true && shown.length === 0
      ? []
      : [`${count('fail')} failed, ${count('warn')} to look at, ${count('ok')} well`]),
  ])
  const isBad = count('fail') > 0 || (flags.strict === true && count('warn') > 0)
  return isBad ? exitCodes.findings : exitCodes.ok
}

/** Everything that can be found out with what the settings name. */
export async function examine(settings: Settings, maxLagMs: number): Promise<Finding[]> {
  const directory = settings.hasStore ? settings.store().directory : undefined
  const findings: Finding[] =
    directory === undefined
      ? [
          warn(
            'directory',
            '',
            'No cache directory is named, so nothing is known of it.',
            'Set PAGEKEEP_DIRECTORY, or store.directory in the config.',
          ),
        ]
      : checkDirectory(directory, settings.store().coding)
  const isCache = findings.some(({ code, level }) => code === 'directory' && level === 'ok')
  if (directory !== undefined && isCache) findings.push(checkListener(directory, maxLagMs))
  if (!settings.hasDatabase) {
    return [
      ...findings,
      warn(
        'database',
        '',
        'No database is named, so nothing is known of it.',
        'Set DATABASE_URL, or connection in the config.',
      ),
    ]
  }
  try {
    const found = await withClient(settings.connection(), (client) =>
      withStatements(client, (statements) =>
        examineDatabase(settings, client, statements, isCache ? directory : undefined, maxLagMs),
      ),
    )
    return [...findings, ...found]
  } catch (thrown) {
    if (!isPagekeepError(thrown)) throw thrown
    return [...findings, describe(thrown)]
  }
}

async function examineDatabase(
  settings: Settings,
  client: pg.ClientBase,
  statements: Statements,
  directory: string | undefined,
  maxLagMs: number,
): Promise<Finding[]> {
  const { config, schema } = settings
  const { queues, rules, routes, unwatched = [] } = config
  const findings = await checkServer(client, statements, queues === undefined ? 'feed' : 'queues')
  const writers = await readWriters(statements)
  const watched = [...unwatched, ...rules.map(({ table }) => table.sql)]
  if (queues !== undefined) {
    findings.push(
      ...(await checkQueues({
        statements,
        rules: queues.rules,
        listenFor: queues.listenFor,
        writers,
        directory,
        maxLagMs,
      })),
    )
    const [usage] = await statements.query(
      'SELECT pg_notification_queue_usage()::text AS usage',
      [],
      'reading the queue of notifications',
    )
    findings.push(judgeNotifyQueue('server', Number(usage?.usage)))
    const names = queues.rules.map(({ queue, channel }) => queue?.table.written ?? channel)
    findings.push(...(await checkMatches(names, directory)))
    const listenFor = readListenFor(queues.listenFor)
    if (listenFor !== undefined) watched.push(listenFor.table.sql)
    for (const { queue } of queues.rules) if (queue !== undefined) watched.push(queue.table.sql)
    const notifying = new Set(
      writers.functions.flatMap(({ id, source }) => (/\bnotify\b|pg_notify/i.test(source) ? [id] : [])),
    )
    const leading = [
      ...queues.rules.flatMap(({ queue }) => (queue === undefined ? [] : writers.triggersReaching(queue.table.name))),
      ...writers.triggers.filter(({ functionId }) => notifying.has(functionId)),
    ]
    watched.push(...leading.map(({ table }) => table))
  } else {
    const found = await part(() => diagnose(client, { rules, schema, ...(routes.length > 0 && { routes }) }))
    findings.push(
      ...found,
      ...(await part(() => checkColumnTypes(statements, rules))),
      ...checkEvictedRoutes(routes, rules),
    )
    const isInstalled = found.some(({ code, level }) => code === 'schema' && level !== 'fail')
    const names = rules.map(({ table }) => table.written)
    const feed = { statements, schemaSql: readSchemaName(schema).sql }
    if (isInstalled) findings.push(...(await part(() => checkMatches(names, directory, feed))))
  }
  findings.push(...(await checkUnwatched(statements, schema, watched)))
  return findings
}

/** What a role may not see must not hide the rest. */
async function part(look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (thrown) {
    if (isPagekeepError(thrown)) return [describe(thrown)]
    throw thrown
  }
}

function describe(thrown: PagekeepError): Finding {
  const advice = {
    'database-unreachable': 'Start the server, or mend the address: DATABASE_URL, or connection in the config.',
    'database-refused': 'Mend the role, its password or pg_hba.conf.',
    'database-lacks': 'Give the role what is missing: pagekeep sql --role NAME prints the rights of a listener.',
  }[thrown.code as string]
  const code = thrown.code === 'database-lacks' ? 'rights' : 'database'
  return fail(code, thrown.code, reasonOf(thrown), advice ?? 'See docs/errors.md for the code.')
}
