/**
 * What commands work on: the cache of the directory, the database. Each is opened when it is needed and closed after it.
 */
import { createCache, type PageCache } from '../core/cache.js'
import { PagekeepError } from '../core/errors.js'
import { type Statements, withStatements } from '../invalidators/postgres/feed/schema/borrowed-client.js'
import { DiskStore } from '../stores/disk/index.js'
import { inspectDirectory } from '../stores/disk/inspect.js'
import type { Settings } from './config/settings.js'
import type { Terminal } from './terminal.js'

/** What every command is handed. */
export interface Context {
  readonly settings: Settings
  readonly terminal: Terminal
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/**
 * Calls `work` with the cache of the directory. Throws `store-unusable` for a directory that is no cache: a name that
 * was misspelt must not become one.
 */
export async function withCache<T>(
  { settings, terminal }: Context,
  work: (cache: PageCache, store: DiskStore) => Promise<T>,
): Promise<T> {
  const options = settings.store()
  const { kind, directory, userId } = inspectDirectory(options.directory)
  if (kind !== 'cache') {
    const found = {
      missing: 'does not exist',
      'not-a-directory': 'is no directory',
      foreign: 'holds files and no ".pagekeep"',
      empty: 'is empty',
    }
    throw new PagekeepError(
      'store-unusable',
      `"${directory}" is not a cache of pages: it ${found[kind]}. Is it the directory that the site keeps its pages in? If the site never ran, start it, or \`pagekeep listen\`: either makes it.`,
      { store: 'disk' },
    )
  }
  if (process.getuid?.() === 0 && userId !== 0) {
    terminal.note(
      `The cache belongs to the user ${userId} and you are root: files that are made now may not be his to change.`,
    )
  }
  const store = new DiskStore(options)
  const cache = createCache({ store })
  cache.on('error', (error) => terminal.note(`${error.message} (${error.code})`))
  try {
    return await work(cache, store)
  } finally {
    await cache.close()
  }
}

/** Calls `work` with a connection to the database. */
export function withDatabase<T>({ settings }: Context, work: (statements: Statements) => Promise<T>): Promise<T> {
  return withStatements(settings.connection(), work)
}

/** `work`, or `undefined` when no database is named. */
export async function whereDatabase<T>(
  context: Context,
  work: (statements: Statements) => Promise<T>,
): Promise<T | undefined> {
  return context.settings.hasDatabase ? withDatabase(context, work) : undefined
}
