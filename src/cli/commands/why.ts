/**
 * `why`: what is known of one page, which committed change evicted it last, which row or rule that was, and why its
 * last renders were not kept (page-history.ts).
 */
import { checkKey } from '../../core/key.js'
import { parseSelector } from '../../core/selector.js'
import { inspectPage, inspectTags, type PageFacts } from '../../stores/disk/inspect.js'
import { silenceOf } from '../doctor/check-listener.js'
import { exitCodes } from '../exit-codes.js'
import { matches, type PageHistory, type PastEviction, readPageHistory } from '../page-history.js'
import { bytes, duration, table } from '../terminal.js'
import type { Context } from '../workplace.js'

interface Answer extends Omit<PageHistory, 'changes' | 'evictions'> {
  readonly key: string
  readonly page: PageFacts | undefined
  /** Those that it was kept with, now or before. */
  readonly tags: readonly string[]
  readonly routes: readonly string[]
  /** Rules whose entries may evict it. */
  readonly rules: readonly string[]
  /** Committed changes, as the feed has them. */
  readonly evictions: PageHistory['changes']
  /** Evictions that were done, as the journal has them. */
  readonly journal: readonly PastEviction[]
  readonly listenerSilentMs: number | undefined
}

/** Exit code 1 when no page is kept. */
export async function why(context: Context, [key = '']: readonly string[], _flags: object): Promise<number> {
  const { settings, terminal } = context
  const { directory } = settings.store()
  const page = inspectPage(directory, checkKey(key))
  const tags = inspectTags(directory, key)
  const routes = settings.config.routes.filter((route) => route.read(key) !== undefined)
  const rules = settings.config.rules.flatMap(({ table, evicts }) =>
    evicts.some((entry) =>
      entry.kind === 'route'
        ? parseSelector(entry.coarsest).kind !== 'tag' && matches(entry.coarsest, key)
        : tags.some((tag) => fits(entry.template, tag)),
    )
      ? [table.written]
      : [],
  )
  const { changes, evictions, dooms, unknown } = await readPageHistory(context, directory, key, tags)
  const answer: Answer = {
    key,
    page,
    tags,
    routes: routes.map(({ template }) => template),
    rules,
    evictions: changes,
    journal: evictions,
    dooms,
    unknown,
    listenerSilentMs: silenceOf(directory),
  }
  terminal.answer(answer, show)
  return page === undefined ? exitCodes.findings : exitCodes.ok
}

/** Whether `tag` can be made of a template such as `product:{id}`. */
function fits(template: string, tag: string): boolean {
  const parts = template.split(/\{[^{}]*\}/).map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 'su').test(tag)
}

function show({
  key,
  page,
  tags,
  routes,
  rules,
  evictions,
  journal,
  dooms,
  unknown,
  listenerSilentMs,
}: Answer): string[] {
  const rendered =
    page?.renderBeganAtMs === undefined
      ? undefined
      : `from ${new Date(page.renderBeganAtMs).toISOString()}${page.renderMs === undefined ? '' : `, in ${duration(page.renderMs)}`}`
  const isUntold = unknown === undefined && evictions.length + journal.length === 0
  return table([
    ['key', key],
    ['kept', page === undefined ? 'no' : `since ${ago(page.keptAtMs)}, ${bytes(page.bytes)}`],
    ...(rendered === undefined ? [] : [['rendered', rendered]]),
    ...(page?.expiresAtMs === undefined ? [] : [['expires', new Date(page.expiresAtMs).toISOString()]]),
    ['tags', tags.join(' ') || 'none that is remembered'],
    ['route', routes.join(' ') || 'none of the config makes this key'],
    ['rules', rules.join(' ') || 'none that is known to evict it'],
    ...(unknown === undefined ? [] : [['changed', `not known: ${unknown}`]]),
    ...evictions.map(({ xid, atMs, table: by, selector }) => [
      'changed',
      `${ago(atMs)}: transaction ${xid} changed ${by}, which evicts ${selector}`,
    ]),
    ...journal.map((eviction) => ['evicted', `${ago(eviction.atMs)} ${causeOf(eviction)}`]),
    ...(isUntold ? [['evicted', 'not by anything that the feed or the journal remembers']] : []),
    ...dooms.map(({ atMs, renderMs, part, because }) => [
      'not kept',
      `${ago(atMs)}: a render of ${duration(renderMs)} was answered and not kept, ${
        part !== undefined
          ? `for its part ${part} was not`
          : because === undefined
            ? 'for an eviction came meanwhile'
            : `for it was evicted meanwhile ${causeOf(because)}`
      }`,
    ]),
    ['listener', listenerSilentMs === undefined ? 'never heard of' : `heard ${duration(listenerSilentMs)} ago`],
  ])
}

function ago(ms: number): string {
  return `${duration(Date.now() - ms)} ago (${new Date(ms).toISOString()})`
}

/** `by the row cache_clearing_ports#17 port_id=4 (queue), which named ports/dns/**` */
function causeOf({ why, rules, rows, selectors }: PastEviction): string {
  if (why === 'emptied') return 'with all others: the listener began anew (emptied)'
  const [first, ...more] = rows
  const cause =
    first !== undefined
      ? `by the row ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`
      : rules.length > 0
        ? `by a change of ${rules.join(', ')}`
        : 'by a call'
  return `${cause} (${why}), as ${selectors.join(' ') || 'one of many'}`
}
