/** `status`: how many pages there are, how far behind the database they may be, who listens, what waits. */
import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../../core/errors.js'
import { measureUsage } from '../../stores/disk/index.js'
import { silenceOf } from '../doctor/check-listener.js'
import { exitCodes } from '../exit-codes.js'
import { maxLagOf } from '../max-lag.js'
import { readSite, type SiteNode, type SiteQueue } from '../site-database.js'
import { duration, bytes as sizeOf, type Terminal, table } from '../terminal.js'
import { readCount } from '../usage-error.js'
import { type Context, whereDatabase, withCache } from '../workplace.js'

export interface SiteStatus {
  readonly atMs: number
  readonly directory: string
  readonly pages: number
  /** The sum of their lengths. */
  readonly bytes: number
  /** How long ago the listener was heard of; `undefined`: never. */
  readonly silentMs: number | undefined
  readonly isHeard: boolean
  readonly nodes: readonly SiteNode[]
  readonly queues: readonly SiteQueue[]
  /** Why the database could not be asked. */
  readonly problem: string | undefined
}

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
  const { directory, pages, bytes } = await withCache(context, async (_cache, store) => ({
    directory: store.directory,
    ...(await measureUsage(store.directory, {
      signal: context.signal,
      onProgress: (count) => context.terminal.progress(count, undefined, 'pages'),
    })),
  }))
  const silentMs = silenceOf(directory)
  const common = {
    atMs: Date.now(),
    directory,
    pages,
    bytes,
    silentMs,
    isHeard: (silentMs ?? Number.POSITIVE_INFINITY) <= maxLagOf(settings, undefined),
  }
  try {
    const asked = await whereDatabase(context, (statements) => readSite(statements, settings))
    return { ...common, nodes: [], queues: [], ...asked, problem: undefined }
  } catch (thrown) {
    return { ...common, nodes: [], queues: [], problem: reasonOf(thrown) }
  }
}

function show(
  terminal: Terminal,
  { directory, pages, bytes, silentMs, isHeard, nodes, queues, problem }: SiteStatus,
): string[] {
  const heard =
    silentMs === undefined
      ? terminal.red('never heard of beside these pages')
      : isHeard
        ? terminal.green(`heard ${duration(silentMs)} ago`)
        : terminal.red(`SILENT for ${duration(silentMs)}: pages may be stale by as much`)
  return [
    ...table([
      ['pages', `${pages}, ${sizeOf(bytes)}, in ${directory}`],
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
