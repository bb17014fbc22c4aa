/**
 * What the processes of the example are made of: where they find the database and the pages, the cache,
 * and how a line of theirs looks. The site and the listener share the cache directory and nothing else.
 */
import { parseArgs } from 'node:util'
import { createCache, type Logger, type PageCache } from 'pagekeep'
import { PostgresInvalidator } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import pg from 'pg'
import { rules } from './rules.js'

export interface Places {
  /** `postgres://…` */
  readonly database: string
  readonly cacheDirectory: string
}

/** Tells one thing that happened. */
export type Print = (line: string) => void

export function openCache(directory: string, print: Print): PageCache {
  const cache = createCache({ store: new DiskStore({ directory }) })
  cache.on('error', (error) => print(`fault     ${error.message}`))
  return cache
}

/** The listener of the seed, as rules: runs in the site's process or in one of its own. */
export function makeInvalidator(database: string, target: PageCache, print: Print): PostgresInvalidator {
  // Warnings and errors only: what it does is told by the events below.
  const logger: Logger = { debug() {}, info() {}, warn: print, error: print }
  const invalidator = new PostgresInvalidator({
    connection: database,
    target,
    rules,
    listenFor: { table: 'listen_for' },
    reconnectMaxMs: 1000,
    logger,
  })
  invalidator.on('connected', ({ channels }) => print(`listening ${channels.join(' ')}`))
  invalidator.on('standingBy', () => print('waiting   another listener of this directory is at work'))
  invalidator.on('evicted', ({ why, selectors, removed }) => {
    // Second looks, for writers that were still at work, and the news at every start mostly find nothing.
    if (why !== 'queue' && removed === 0) return
    print(`evicted   ${removed} ${removed === 1 ? 'page' : 'pages'}: ${selectors.join(' ')}`)
  })
  return invalidator
}

export function openPool(database: string, print: Print): pg.Pool {
  const pool = new pg.Pool({ connectionString: database, max: 10, connectionTimeoutMillis: 3000 })
  // An idle connection that is lost; the next query makes a new one.
  pool.on('error', (error) => print(`database  ${error.message}`))
  return pool
}

/** Hits, misses and what was kept, a line each. */
export function tellCache(cache: PageCache, print: Print): void {
  cache.on('hit', ({ key }) => print(`hit       ${key}`))
  cache.on('miss', ({ key }) => print(`miss      ${key}`))
  cache.on('kept', ({ key, renderMs }) => print(`kept      ${key} (rendered in ${Math.round(renderMs)} ms)`))
  cache.on('doomed', ({ key }) => print(`doomed    ${key} (changed while it was rendered: answered, not kept)`))
}

/**
 * `--database` and `--cache` (and `--port`), or DATABASE_URL and CACHE_DIRECTORY. Ends the process with
 * the usage when one is missing: an address with a password is better in the environment, where `ps`
 * does not show it.
 */
export function readPlaces(program: string): Places & { readonly port: number } {
  const usage = `Usage: tsx examples/freshports/${program} --database postgres://… --cache DIRECTORY [--port N]
or with DATABASE_URL and CACHE_DIRECTORY in the environment.`
  try {
    const options = { database: { type: 'string' }, cache: { type: 'string' }, port: { type: 'string' } } as const
    const { values } = parseArgs({ options })
    const database = values.database ?? process.env.DATABASE_URL
    const cacheDirectory = values.cache ?? process.env.CACHE_DIRECTORY
    if (!database || !cacheDirectory) throw new TypeError('The database or the cache directory is missing.')
    return { database, cacheDirectory, port: readPort(values.port ?? '0') }
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n${usage}`)
    return process.exit(2)
  }
}

/**
 * Resolves at SIGTERM, at Ctrl-C, and when the process that forked this one is gone. One Ctrl-C may arrive
 * twice, from the terminal and from a parent that passes it on; another one a second later ends at once.
 */
export function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    let toldAtMs: number | undefined
    const told = () => {
      process.off('disconnect', told)
      if (toldAtMs !== undefined && Date.now() - toldAtMs > 1000) process.exit(1)
      toldAtMs ??= Date.now()
      resolve()
    }
    for (const event of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(event, told)
  })
}

/** Throws a `RangeError` for what is no port. */
export function readPort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new RangeError(`Expected a port from 0 (a free one) to 65535, got "${text}"`)
}
