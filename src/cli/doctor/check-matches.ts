/**
 * Rules that matched nothing for as long as is remembered: by the feed (a day), and by the journal beside the pages. A
 * misspelt column or channel looks like this, and nothing else tells of it.
 */
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { readJournal } from '../../stores/disk/inspect.js'
import { duration } from '../terminal.js'
import { type Finding, ok, warn } from './finding.js'

// A site has quiet hours, and a new one has matched nothing yet.
const dayMs = 86_400_000

/** What is remembered: how far back, and how often each rule came up. */
interface Memory {
  readonly windowMs: number
  readonly counts: ReadonlyMap<string, number>
}

/** `names`: rules as evictions name them. `feed`: its schema as SQL, where there is one. */
export async function checkMatches(
  names: readonly string[],
  directory: string | undefined,
  feed?: { readonly statements: Statements; readonly schemaSql: string },
): Promise<Finding[]> {
  const memories = [directory === undefined ? nothing : fromJournal(directory), feed ? await fromFeed(feed) : nothing]
  const windowMs = Math.max(...memories.map((memory) => memory.windowMs))
  return [...new Set(names)].map((name) => {
    const count = Math.max(...memories.map(({ counts }) => counts.get(name) ?? 0))
    if (count > 0) return ok('matched', name, `Its rule has matched ${count} times in what is remembered.`)
    const message =
      windowMs === 0
        ? 'Nothing is remembered yet.'
        : `Its rule has matched nothing in all that is remembered, which is ${duration(windowMs)}.`
    if (windowMs < dayMs) return ok('matched', name, message)
    return warn(
      'matched',
      name,
      message,
      'Has nothing changed there for so long? Else compare the rule with the table: its columns, or the channel that is notified.',
    )
  })
}

const nothing: Memory = { windowMs: 0, counts: new Map() }

function fromJournal(directory: string): Memory {
  const counts = new Map<string, number>()
  let oldestAtMs = Date.now()
  for (const entry of readJournal(directory)) {
    oldestAtMs = Math.min(oldestAtMs, entry.atMs)
    if (entry.kind === 'evicted') for (const rule of entry.rules) counts.set(rule, (counts.get(rule) ?? 0) + 1)
  }
  return { windowMs: Date.now() - oldestAtMs, counts }
}

/** The feed keeps rows for a day at least, from its installation on. */
async function fromFeed({
  statements,
  schemaSql,
}: {
  readonly statements: Statements
  readonly schemaSql: string
}): Promise<Memory> {
  const rows = await statements.query(
    `SELECT rule, count(*)::text AS count FROM ${schemaSql}.feed GROUP BY rule`,
    [],
    'counting matches',
  )
  const [first] = await statements.query(
    `SELECT (extract(epoch FROM clock_timestamp() - min(at)) * 1000)::bigint::text AS age_ms FROM ${schemaSql}.migration`,
    [],
    'reading when the feed was installed',
  )
  const windowMs = Math.min(dayMs, Number(first?.age_ms ?? 0))
  return { windowMs, counts: new Map(rows.map(({ rule, count }) => [rule ?? '', Number(count)])) }
}
