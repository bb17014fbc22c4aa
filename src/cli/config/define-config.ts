/**
 * What `pagekeep.config.{ts,js,json}` may say. In TypeScript and JavaScript rules and routes are the objects that the
 * application uses too, so that neither is written twice; in JSON they are data that says the same.
 */
import type pg from 'pg'
import type { Route } from '../../core/route.js'
import type { FeedRule, ListenForOptions, Rule } from '../../invalidators/postgres/index.js'
import type { DiskStoreOptions } from '../../stores/disk/index.js'

export interface PagekeepConfig {
  /** How to connect to PostgreSQL, to the server itself. `DATABASE_URL` wins over it. */
  readonly connection?: string | pg.ClientConfig
  /** The schema of the feed. Default `pagekeep`. */
  readonly schema?: string
  /** Where the pages lie; a relative `directory` is relative to the config. */
  readonly store?: Omit<DiskStoreOptions, 'files' | 'onFault'>
  /** Every route that pages are kept by. */
  readonly routes?: readonly (Route | string)[]
  /** Rules of the feed, made by `watch()` and `bridge()`. With them `listen` reads the feed. */
  readonly rules?: readonly (FeedRule | WatchData | BridgeData)[]
  /** Queue tables that exist already, and NOTIFY. With them (and no `rules`) `listen` clears queues. */
  readonly queues?: QueuesConfig
  /**
   * How far behind the database pages may be, in milliseconds, 1 or more: the `maxLagMs` of your caches. By it `status`,
   * `doctor` and the dashboard judge the listener, and `listen --switch` the web server's links. Default 30,000.
   */
  readonly maxLagMs?: number
  readonly listen?: ListenConfig
  readonly site?: SiteConfig
  /** Tables that pages do not show, which `doctor` need not name. */
  readonly unwatched?: readonly string[]
}

export interface QueuesConfig {
  /** Made by `rule()`. */
  readonly rules: readonly (Rule | QueueData)[]
  /** As the option of `PostgresInvalidator`. */
  readonly listenFor?: ListenForOptions | false
}

export interface ListenConfig {
  /** The name of this store among all nodes; for the feed. */
  readonly node?: string
  /** Where to write the process's number. Default: nowhere. */
  readonly pidFile?: string
  /** A port on the loopback, or `address:port`, that answers `GET /health`. Default: none. */
  readonly health?: string | number
  /** A file that is written every five seconds with what `GET /health` answers. Default: none. */
  readonly healthFile?: string
  /**
   * A directory for links by which nginx finds pages only while the listener is heard (docs/guide/nginx.md), such as
   * `/run/my-site`; they run out `maxLagMs` after the last sign of life. Default: none.
   */
  readonly switch?: string
  /** Default `text`. */
  readonly log?: 'text' | 'json'
  /** Default `info`. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error'
}

export interface SiteConfig {
  /** `https://example.org`, for `warm`, `verify` and `bench`. */
  readonly url?: string
  /** The address of a kept page, below `url`; `undefined`: it has none. For `verify`. */
  address?(key: string): string | undefined
  /** Sent by `verify`, so that the site renders instead of answering what is kept. */
  readonly verifyHeaders?: Readonly<Record<string, string>>
  /** Renders a key as the site does now; for `verify`, instead of asking the site. */
  render?(key: string): string | Uint8Array | Promise<string | Uint8Array>
  /** Removes what differs by design before pages are compared. */
  normalise?(body: string, key: string): string
}

/** A route as a template, or a tag; the columns that parameters are read from. */
export type EvictData =
  | { readonly route: string; readonly columns?: Readonly<Record<string, string>> }
  | { readonly tag: string; readonly all?: string }

/** `watch()` as data. */
export interface WatchData {
  readonly watch: string
  readonly columns: readonly string[]
  readonly evicts: readonly EvictData[]
  readonly maxSelectors?: number
}

/** `bridge()` as data. */
export interface BridgeData {
  readonly bridge: string
  readonly evicts: readonly EvictData[]
  readonly rows?: 'delete' | 'keep'
  readonly maxSelectors?: number
}

/** `rule()` as data; without `queue`, a NOTIFY alone evicts. */
export interface QueueData {
  readonly channel: string
  readonly queue?: string
  readonly id?: string
  readonly evicts: readonly EvictData[]
}

/** Checks the types of a config; answers it as it is. */
export function defineConfig(config: PagekeepConfig): PagekeepConfig {
  return config
}
