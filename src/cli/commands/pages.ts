/** `ls`, `cat`, `evict`, `clear`: the pages as they lie there. */
import { statSync } from 'node:fs'
import { PagekeepError } from '../../core/errors.js'
import type { EvictionReport } from '../../core/eviction-report.js'
import { checkKey } from '../../core/key.js'
import type { Selector } from '../../core/selector.js'
import type { Store } from '../../core/store.js'
import { layoutOf } from '../../stores/disk/inspect.js'
import { confirm } from '../ask.js'
import { inputOf, readSelector } from '../selector-argument.js'
import { bytes, duration, type Terminal } from '../terminal.js'
import { readCount } from '../usage-error.js'
import { type Context, withCache } from '../workplace.js'

type Flags = Readonly<Record<string, string | boolean | undefined>>

/** One key a line; with `--json` one document a line. */
export function ls(context: Context, [selector]: readonly string[], flags: Flags): Promise<number> {
  const { terminal, signal } = context
  const wanted = selector === undefined ? undefined : readSelector(selector)
  const limit = readCount('--limit', flags.limit as string | undefined, Number.POSITIVE_INFINITY)
  return withCache(context, async (_cache, store) => {
    const layout = layoutOf(store.directory)
    let shown = 0
    const seen = new Set<string>()
    for await (const key of store.keys(wanted)) {
      if (shown >= limit || signal.aborted) break
      // Logs of tags name a key more than once.
      if (wanted?.kind === 'tag' && (seen.has(key) || !seen.add(key))) continue
      const facts = flags.long === true || terminal.json ? factsOf(layout.page(key), key) : { key }
      if (facts === undefined) continue
      shown++
      terminal.answer(facts, () => ('bytes' in facts ? longLine(facts) : key))
    }
    return 0
  })
}

/** The bytes, with nothing added. */
export function cat(context: Context, [key = '']: readonly string[], _flags: Flags): Promise<number> {
  const { terminal } = context
  checkKey(key)
  return withCache(context, async (_cache, store) => {
    const page = await store.get(key)
    if (page === undefined) {
      terminal.note(`No page is kept as "${key}".`)
      return 1
    }
    const body = Buffer.from(page.body as string)
    if (terminal.json) {
      const isText = typeof page.body === 'string'
      const { body: _, encoded: __, ...rest } = page
      terminal.document({
        key,
        ...rest,
        body: isText ? page.body : body.toString('base64'),
        encoding: isText ? 'utf8' : 'base64',
      })
    } else process.stdout.write(body)
    return 0
  })
}

export function evict(context: Context, written: readonly string[], flags: Flags): Promise<number> {
  const selectors = written.map(readSelector)
  return withCache(context, async (cache, store) => {
    noteStrangers(context, selectors)
    if (flags.dryRun === true) return wouldEvict(context, store, selectors)
    return tell(context.terminal, await cache.evict(selectors.map(inputOf)))
  })
}

export function clear(context: Context, _given: unknown, flags: Flags): Promise<number> {
  const everything = readSelector('**')
  return withCache(context, async (cache, store) => {
    if (flags.dryRun === true) return wouldEvict(context, store, [everything])
    const question = `Evict every page of "${store.directory}"?`
    if (!(await confirm(context.terminal, question, flags.yes === true))) return 1
    return tell(context.terminal, await cache.evict('**'))
  })
}

/** A key that is misspelt evicts nothing, in silence; routes know better. */
function noteStrangers({ settings, terminal }: Context, selectors: readonly Selector[]): void {
  const { routes } = settings.config
  for (const selector of selectors) {
    if (selector.kind !== 'key' || routes.length === 0) continue
    if (!routes.some((route) => route.read(selector.key) !== undefined))
      terminal.note(`No route of the config makes the key "${selector.key}".`)
  }
}

async function wouldEvict({ terminal }: Context, store: Store, selectors: readonly Selector[]): Promise<number> {
  const keys = new Set<string>()
  for (const selector of selectors) for await (const key of store.keys(selector)) keys.add(key)
  const selectorTexts = selectors.map(({ text }) => text)
  terminal.answer({ selectors: selectorTexts, wouldRemove: keys.size, keys: [...keys].sort() }, (answer) => [
    ...answer.keys,
    `${answer.wouldRemove} ${answer.wouldRemove === 1 ? 'page' : 'pages'} would go. Renders in flight would be doomed.`,
  ])
  return 0
}

function tell(terminal: Terminal, report: EvictionReport): number {
  terminal.answer(report, ({ keys, removed, doomed }) => [
    ...keys,
    ...(removed > keys.length ? [`and ${removed - keys.length} more`] : []),
    `${removed} ${removed === 1 ? 'page' : 'pages'} evicted, ${doomed} ${doomed === 1 ? 'render' : 'renders'} in flight doomed.`,
  ])
  return 0
}

interface Facts {
  readonly key: string
  readonly bytes: number
  readonly keptAtMs: number
}

function factsOf(path: string, key: string): Facts | undefined {
  try {
    const { size, mtimeMs } = statSync(path)
    return { key, bytes: size, keptAtMs: Math.round(mtimeMs) }
  } catch (thrown) {
    // Evicted meanwhile.
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PagekeepError('store-failed', `Could not look at "${key}".`, { key, cause: thrown })
  }
}

function longLine({ key, bytes: size, keptAtMs }: Facts): string {
  return `${bytes(size).padStart(10)}  ${duration(Date.now() - keptAtMs).padStart(7)}  ${key}`
}
