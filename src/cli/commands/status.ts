/** `status`: how many pages there are, how far behind the database they may be, who listens, what waits. */
import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../../core/errors.js'
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { readSchemaName } from '../../invalidators/postgres/feed/schema/quoting.js'
import { silenceOf } from '../doctor/check-listener.js'
import { exitCodes } from '../exit-codes.js'
import { duration, type Terminal, table } from '../terminal.js'
import { readCount } from '../usage-error.js'
import { type Context, whereDatabase, withCache } from '../workplace.js'

interface Node {
  readonly name: string
  readonly state: string
  readonly backlog: number | undefined
  readonly silentMs: number
  readonly behindMs: number | undefined
}

interface Queue {
  readonly table: string
  readonly rows: number
}

export interface SiteStatus {
  readonly atMs: number
  readonly directory: string
  readonly pages: number
  /** How long ago the listener was heard of; `undefined`: never. */
  readonly silentMs: number | undefined
  readonly isHeard: boolean
  readonly nodes: readonly Node[]
  readonly queues: readonly Queue[]
  /** Why the database could not be asked. */
  readonly problem: string | undefined
}

// As the doctor has it, unless it is told otherwise.
const maxLagMs = 30_000

/** Exit code 1 when the listener is not heard or the database does not answer. */
export async function status(
  context: Context,
  _given: unknown,
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { terminal, signal } = context
  const everyMs = 1000 * readCount('--interval', flags.interval as string | undefined, 2)
  for (;;) {
    const found = await look(context)
    if (flags.watch === true && process.stdout.isTTY === true && !terminal.json) terminal.line('\x1b[2J\x1b[H')
    terminal.answer(found, (answer) => show(terminal, answer))
    if (flags.watch !== true) return found.isHeard && found.problem === undefined ? exitCodes.ok : exitCodes.findings
    await delay(everyMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return exitCodes.ok
  }
}

async function look(context: Context): Promise<SiteStatus> {
  const { settings } = context
  const { directory, pages } = await withCache(context, async (_cache, store) => {
    let count = 0
    for await (const _ of store.keys()) count++
    return { directory: store.directory, pages: count }
  })
  const silentMs = silenceOf(directory)
  const common = {
    atMs: Date.now(),
    directory,
    pages,
    silentMs,
    isHeard: (silentMs ?? Number.POSITIVE_INFINITY) <= maxLagMs,
  }
  try {
    const asked = await whereDatabase(context, async (statements) => ({
      nodes: settings.config.queues === undefined ? await readNodes(statements, settings.schema) : [],
      queues: await countQueues(
        statements,
        settings.config.queues?.rules.flatMap(({ queue }) => queue?.table ?? []) ?? [],
      ),
    }))
    return { ...common, nodes: [], queues: [], ...asked, problem: undefined }
  } catch (thrown) {
    return { ...common, nodes: [], queues: [], problem: reasonOf(thrown) }
  }
}

async function readNodes(statements: Statements, schema: string): Promise<Node[]> {
  const rows = await statements.query(
    `SELECT name, state, backlog::text AS backlog,
            (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint::text AS silent_ms,
            (extract(epoch FROM clock_timestamp() - applied_until) * 1000)::bigint::text AS behind_ms
       FROM ${readSchemaName(schema).of('node')} ORDER BY name`,
    [],
    'reading nodes',
  )
  return rows.map(({ name, state, backlog, silent_ms, behind_ms }) => ({
    name: name ?? '',
    state: state ?? '',
    backlog: backlog == null ? undefined : Number(backlog),
    silentMs: Number(silent_ms),
    behindMs: behind_ms == null ? undefined : Number(behind_ms),
  }))
}

async function countQueues(
  statements: Statements,
  tables: readonly { readonly sql: string; readonly written: string }[],
): Promise<Queue[]> {
  const queues: Queue[] = []
  for (const { sql, written } of tables) {
    const [row] = await statements.query(`SELECT count(*)::text AS rows FROM ${sql}`, [], `counting ${written}`)
    queues.push({ table: written, rows: Number(row?.rows) })
  }
  return queues
}

function show(
  terminal: Terminal,
  { directory, pages, silentMs, isHeard, nodes, queues, problem }: SiteStatus,
): string[] {
  const heard =
    silentMs === undefined
      ? terminal.red('never heard of beside these pages')
      : isHeard
        ? terminal.green(`heard ${duration(silentMs)} ago`)
        : terminal.red(`SILENT for ${duration(silentMs)}: pages may be stale by as much`)
  return [
    ...table([
      ['pages', `${pages} in ${directory}`],
      ['listener', heard],
      ...(problem === undefined ? [] : [['database', terminal.red(problem)]]),
      ...queues.map((queue) => ['queue', `${queue.table}: ${queue.rows} rows wait`]),
      ...nodes.map((node) => [
        'node',
        `${node.name}: ${node.state}, backlog ${node.backlog ?? '?'}, seen ${duration(node.silentMs)} ago${node.behindMs === undefined ? '' : `, applied until ${duration(node.behindMs)} ago`}`,
      ]),
    ]),
  ]
}
