/**
 * What is known of a page's past: committed changes that evict it, from the feed (which remembers for a day); evictions
 * that were done and renders that were not kept, from the journal beside the pages, where processes keep one.
 */
import { isPagekeepError, reasonOf } from '../core/errors.js'
import { parseSelector } from '../core/selector.js'
import { type JournalDoom, type JournalEviction, readJournal } from '../stores/disk/inspect.js'
import { type FeedRow, readFeed } from './site-database.js'
import { type Context, whereDatabase } from './workplace.js'

/** As the journal has it; of its selectors, those that match the page. */
export type PastEviction = Pick<JournalEviction, 'atMs' | 'why' | 'rules' | 'rows' | 'selectors' | 'pid'>

export interface PastDoom extends Pick<JournalDoom, 'atMs' | 'renderMs' | 'part' | 'pid'> {
  /** The eviction that came meanwhile, where the journal has it. */
  readonly because: PastEviction | undefined
}

export interface PageHistory {
  /** From the feed, the latest first. */
  readonly changes: readonly FeedRow[]
  readonly evictions: readonly PastEviction[]
  readonly dooms: readonly PastDoom[]
  /** Why there is no word on committed changes. */
  readonly unknown: string | undefined
}

const shown = 5
// So many rows of the feed are looked at, the latest first.
const maxRows = 200_000
// Between an eviction and its line in the journal something else may be written.
const toleranceMs = 1000

/** `tags`: those that the page was kept with. */
export async function readPageHistory(
  context: Context,
  directory: string,
  key: string,
  tags: readonly string[],
): Promise<PageHistory> {
  const isOurs = (selector: string) => matches(selector, key) || tags.some((tag) => selector === `tag:${tag}`)
  const evictions: PastEviction[] = []
  const doomed: JournalDoom[] = []
  for (const entry of readJournal(directory)) {
    if (entry.kind === 'doomed') {
      if (entry.key === key) doomed.push(entry)
      continue
    }
    const selectors = entry.selectors.filter(isOurs)
    if (selectors.length === 0 && !entry.keys.includes(key)) continue
    const { atMs, why, rules, rows, pid } = entry
    evictions.push({ atMs, why, rules, rows, selectors, pid })
  }
  const dooms = doomed.slice(0, shown).map(({ atMs, renderMs, part, pid }) => ({
    atMs,
    renderMs,
    pid,
    ...(part !== undefined && { part }),
    because: evictions.find((one) => one.atMs <= atMs + toleranceMs && one.atMs >= atMs - renderMs - toleranceMs),
  }))
  const hasJournal = evictions.length + doomed.length > 0
  return { ...(await changesOf(context, key, tags, hasJournal)), evictions: evictions.slice(0, shown), dooms }
}

async function changesOf(
  context: Context,
  key: string,
  tags: readonly string[],
  hasJournal: boolean,
): Promise<Pick<PageHistory, 'changes' | 'unknown'>> {
  const { settings } = context
  if (settings.config.queues !== undefined) {
    const advice =
      'queue tables forget what they had, and the journal knows nothing of it: `pagekeep listen` keeps one, a site does by keepJournal()'
    return { changes: [], unknown: hasJournal ? undefined : advice }
  }
  try {
    const rows = await whereDatabase(context, (statements) => readFeed(statements, settings.schema, maxRows, tags))
    const unknown = rows === undefined && !hasJournal ? 'no database is named' : undefined
    const changes: FeedRow[] = []
    for (const row of rows ?? []) {
      if (changes.length === shown) break
      if (row.selector.startsWith('tag:') || matches(row.selector, key)) changes.push(row)
    }
    return { changes, unknown }
  } catch (thrown) {
    if (!isPagekeepError(thrown)) throw thrown
    return { changes: [], unknown: reasonOf(thrown) }
  }
}

/** Whether a selector, as text, is of pages by name and matches `key`. */
export function matches(selector: string, key: string): boolean {
  try {
    const parsed = parseSelector(selector)
    return parsed.kind === 'key' ? parsed.key === key : parsed.kind === 'pattern' && parsed.matches(key)
  } catch {
    // What is no selector evicts nothing by name.
    return false
  }
}
