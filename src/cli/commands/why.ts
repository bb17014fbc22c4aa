/**
 * `why`: what is known of one page, and which committed change evicted it last. That is read from the feed, which
 * remembers for a day; queue tables forget, so there the log of the listener is all there is.
 */

import { isPagekeepError, reasonOf } from '../../core/errors.js'
import { checkKey } from '../../core/key.js'
import { parseSelector } from '../../core/selector.js'
import type { Statements } from '../../invalidators/postgres/feed/schema/borrowed-client.js'
import { readSchemaName } from '../../invalidators/postgres/feed/schema/quoting.js'
import { inspectPage, type PageFacts } from '../../stores/disk/inspect.js'
import { silenceOf } from '../doctor/check-listener.js'
import { exitCodes } from '../exit-codes.js'
import { bytes, duration, table } from '../terminal.js'
import { type Context, whereDatabase } from '../workplace.js'

interface PastEviction {
  /** The transaction that changed the data. */
  readonly xid: string
  readonly atMs: number
  /** The table, as its rule names it. */
  readonly table: string
  /** What it evicted: `daily/2020/01/**`, `tag:port:1`. */
  readonly selector: string
}

interface Answer {
  readonly key: string
  readonly page: PageFacts | undefined
  readonly routes: readonly string[]
  /** Rules whose entries may evict it. */
  readonly rules: readonly string[]
  readonly evictions: readonly PastEviction[]
  /** Why there can be no word on evictions. */
  readonly unknown: string | undefined
  readonly listenerSilentMs: number | undefined
}

const shownEvictions = 5
// So many rows of the feed are looked at, the latest first.
const maxRows = 200_000

/** Exit code 1 when no page is kept. */
export async function why(context: Context, [key = '']: readonly string[], _flags: object): Promise<number> {
  const { settings, terminal } = context
  const { directory } = settings.store()
  const page = inspectPage(directory, checkKey(key))
  const routes = settings.config.routes.filter((route) => route.read(key) !== undefined)
  const rules = settings.config.rules.flatMap(({ table, evicts }) =>
    evicts.some((entry) =>
      entry.kind === 'route'
        ? parseSelector(entry.coarsest).kind !== 'tag' && matches(entry.coarsest, key)
        : page?.tags.some((tag) => fits(entry.template, tag)),
    )
      ? [table.written]
      : [],
  )
  const { evictions, unknown } = await history(context, key, page?.tags ?? [])
  const answer: Answer = {
    key,
    page,
    routes: routes.map(({ template }) => template),
    rules,
    evictions,
    unknown,
    listenerSilentMs: silenceOf(directory),
  }
  terminal.answer(answer, show)
  return page === undefined ? exitCodes.findings : exitCodes.ok
}

async function history(
  context: Context,
  key: string,
  tags: readonly string[],
): Promise<Pick<Answer, 'evictions' | 'unknown'>> {
  const { settings } = context
  if (settings.config.queues !== undefined)
    return { evictions: [], unknown: 'queue tables forget what they had; see the log of the listener' }
  try {
    const evictions = await whereDatabase(context, (statements) => readFeed(statements, settings.schema, key, tags))
    return { evictions: evictions ?? [], unknown: evictions === undefined ? 'no database is named' : undefined }
  } catch (thrown) {
    if (!isPagekeepError(thrown)) throw thrown
    return { evictions: [], unknown: reasonOf(thrown) }
  }
}

async function readFeed(
  statements: Statements,
  schema: string,
  key: string,
  tags: readonly string[],
): Promise<PastEviction[]> {
  const rows = await statements.query(
    `SELECT xid::text AS xid, (extract(epoch FROM at) * 1000)::bigint::text AS at_ms, rule, selector, tag
       FROM ${readSchemaName(schema).of('feed')} WHERE selector IS NOT NULL OR tag = ANY ($1::text[])
      ORDER BY xid DESC, id DESC LIMIT ${maxRows}`,
    [tags],
    'reading the feed',
  )
  const found: PastEviction[] = []
  for (const { xid, at_ms, rule, selector, tag } of rows) {
    if (found.length === shownEvictions) break
    if (selector != null && !matches(selector, key)) continue
    found.push({ xid: xid ?? '', atMs: Number(at_ms), table: rule ?? '', selector: selector ?? `tag:${tag}` })
  }
  return found
}

function matches(selector: string, key: string): boolean {
  try {
    const parsed = parseSelector(selector)
    return parsed.kind === 'key' ? parsed.key === key : parsed.kind === 'pattern' && parsed.matches(key)
  } catch {
    // A row that is no selector evicts nothing by name.
    return false
  }
}

/** Whether `tag` can be made of a template such as `product:{id}`. */
function fits(template: string, tag: string): boolean {
  const parts = template.split(/\{[^{}]*\}/).map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 'su').test(tag)
}

function show({ key, page, routes, rules, evictions, unknown, listenerSilentMs }: Answer): string[] {
  const ago = (ms: number) => `${duration(Date.now() - ms)} ago (${new Date(ms).toISOString()})`
  const [last] = evictions
  const wasDoomed = last !== undefined && page === undefined
  return table([
    ['key', key],
    ['kept', page === undefined ? 'no' : `since ${ago(page.keptAtMs)}, ${bytes(page.bytes)}`],
    ...(page?.renderBeganAtMs === undefined
      ? []
      : [
          [
            'rendered',
            `from ${new Date(page.renderBeganAtMs).toISOString()}${page.renderMs === undefined ? '' : `, in ${duration(page.renderMs)}`}`,
          ],
        ]),
    ...(page?.expiresAtMs === undefined ? [] : [['expires', new Date(page.expiresAtMs).toISOString()]]),
    ['tags', page === undefined ? '(of a kept page only)' : page.tags.join(' ') || 'none'],
    ['route', routes.join(' ') || 'none of the config'],
    ['rules', rules.join(' ') || 'none that is known to evict it'],
    ...(unknown === undefined ? [] : [['evicted', `not known: ${unknown}`]]),
    ...evictions.map(({ xid, atMs, table: by, selector }) => [
      'evicted',
      `${ago(atMs)} by ${selector}: transaction ${xid} changed ${by}`,
    ]),
    ...(unknown === undefined && last === undefined ? [['evicted', 'not by any change that the feed remembers']] : []),
    ...(wasDoomed ? [['', 'A render that began before that, and ended after it, was answered and not kept.']] : []),
    ['listener', listenerSilentMs === undefined ? 'never heard of' : `heard ${duration(listenerSilentMs)} ago`],
  ])
}
