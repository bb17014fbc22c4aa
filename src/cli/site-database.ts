/** What the database says of the listeners and of what waits for them, for processes that are none of them. */
import type { Statements } from '../invalidators/postgres/feed/schema/borrowed-client.js'
import { readSchemaName } from '../invalidators/postgres/feed/schema/quoting.js'
import type { Settings } from './config/settings.js'

export interface SiteNode {
  readonly name: string
  readonly state: string
  readonly backlog: number | undefined
  readonly silentMs: number
  readonly behindMs: number | undefined
}

export interface SiteQueue {
  readonly table: string
  readonly rows: number
}

export interface Site {
  readonly nodes: readonly SiteNode[]
  readonly queues: readonly SiteQueue[]
}

/** A row of the feed: a change that was committed. Whether it is evicted here already is not known. */
export interface FeedRow {
  readonly xid: string
  readonly atMs: number
  /** The table, as its rule names it. */
  readonly table: string
  /** `daily/2020/01/**`, `tag:port:1`. */
  readonly selector: string
}

/** The nodes of the feed, or the queues of the config. */
export async function readSite(statements: Statements, { config, schema }: Settings): Promise<Site> {
  const tables = config.queues?.rules.flatMap(({ queue }) => queue?.table ?? []) ?? []
  return {
    nodes: config.queues === undefined ? await readNodes(statements, schema) : [],
    queues: await countQueues(statements, tables),
  }
}

/** The latest rows of the feed, the latest first; with `tags`, those of selectors and of these tags. */
export async function readFeed(
  statements: Statements,
  schema: string,
  limit: number,
  tags?: readonly string[],
): Promise<FeedRow[]> {
  const rows = await statements.query(
    `SELECT xid::text AS xid, (extract(epoch FROM at) * 1000)::bigint::text AS at_ms, rule, selector, tag
       FROM ${readSchemaName(schema).of('feed')} WHERE $1::text[] IS NULL OR selector IS NOT NULL OR tag = ANY ($1::text[])
      ORDER BY xid DESC, id DESC LIMIT ${limit}`,
    [tags ?? null],
    'reading the feed',
  )
  return rows.map(({ xid, at_ms, rule, selector, tag }) => ({
    xid: xid ?? '',
    atMs: Number(at_ms),
    table: rule ?? '',
    selector: selector ?? `tag:${tag}`,
  }))
}

async function readNodes(statements: Statements, schema: string): Promise<SiteNode[]> {
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
): Promise<SiteQueue[]> {
  const queues: SiteQueue[] = []
  for (const { sql, written } of tables) {
    const [row] = await statements.query(`SELECT count(*)::text AS rows FROM ${sql}`, [], `counting ${written}`)
    queues.push({ table: written, rows: Number(row?.rows) })
  }
  return queues
}
