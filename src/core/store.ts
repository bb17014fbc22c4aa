/**
 * The port behind which pages are kept. Everything that needs atomicity lies behind
 * `begin` / `publish` / `evict`, so that each store keeps the promises with what it has.
 *
 * The sentences below are promises: the contract suite (`pagekeep/testing`) has a test for each.
 * A store may answer at once or with a promise; the cache takes either.
 */
import type { Readable } from 'node:stream'
import type { PagekeepError } from './errors.js'
import type { Selector } from './selector.js'

export type Awaitable<T> = T | Promise<T>

/** What a render makes: text (kept as UTF-8) or bytes. */
export type PageBody = string | Uint8Array

/** A page as it is handed to a store. */
export interface NewPage {
  readonly body: PageBody
  /** What the page was made from, for evictions by tag. */
  readonly tags: readonly string[]
  /** When its render began, in milliseconds since 1970. */
  readonly renderBeganAtMs: number
  /** From when on it is no longer fresh; absent: it lives until it is evicted. */
  readonly expiresAtMs?: number
  /** How long its render took; given with pages that expire, for refreshing them early. */
  readonly renderMs?: number
  /** What is to be known of it besides its bytes (status and headers, say), in a form that the store does not read. */
  readonly metadata?: string
  /** The lineages of the kept pages that it is made of: what evicts one of them evicts this page too. */
  readonly parts?: readonly string[]
  /** Pages are made of this one: keep with it what `get` needs to tell its lineage. Default `false`. */
  readonly isPart?: boolean
  /** For so long after its eviction `getEvicted` may give it, in milliseconds. For stores with `keepsEvicted`. Default 0. */
  readonly showEvictedMs?: number
}

/** The body of a page in a content coding (RFC 9110, 8.4.1): `gzip`, `br`. */
export interface EncodedBody {
  readonly coding: string
  readonly bytes: Uint8Array
}

/** The body of a page that is read while it is sent: for pages too large to lie in memory once for each visitor. */
export interface StreamedBody {
  /** In bytes. */
  readonly size: number
  /**
   * The bytes from `start` on, without the one at `end`; the stream fails where there are fewer. `undefined` when the page
   * is gone, or another one by now, or cannot be read: ask the store again. Never rejects. Whoever opens it reads it to
   * its end, or destroys it.
   */
  open(start: number, end: number): Promise<Readable | undefined>
}

/** A page as a store returns it. */
export interface KeptPage {
  /** Text when it was kept as text, bytes when as bytes. Do not change bytes in place. */
  readonly body: PageBody
  /** When its render began; a store of plain files may give the moment it was kept. */
  readonly renderBeganAtMs: number
  readonly expiresAtMs?: number
  readonly renderMs?: number
  /** As it was kept: never another page's, and never missing where there was one. */
  readonly metadata?: string
  /** The same body encoded, where the store has it so: for clients that take that coding. Do not change it in place. */
  readonly encoded?: EncodedBody
  /** In place of the body, which is empty then. Given only to who asked with `mayStream`. */
  readonly streamed?: StreamedBody
  /**
   * What a page that is made of this one is to be kept with (`NewPage.parts`), in a form that only the store
   * reads. Given when it is asked for, and then missing for a page that was kept without `isPart`.
   */
  readonly lineage?: string
}

/** A page that was evicted and may be shown meanwhile. It is none of the store's pages any more, and never will be. */
export interface EvictedPage {
  readonly page: Omit<KeptPage, 'lineage'>
  /** How long ago it was evicted, by the clock of the store. */
  readonly evictedMsAgo: number
}

export interface GetOptions {
  /** Give the page's lineage too, for a page that is being made of it. Default `false`. */
  readonly asPart?: boolean
  /** A page that was kept as text may be given as its bytes in UTF-8, if these are at hand. Default `false`. */
  readonly asBytes?: boolean
  /** A large page may be given with `streamed` and an empty body. Default `false`. */
  readonly mayStream?: boolean
}

/**
 * - `current`: no eviction that completed before this question touches the fill.
 * - `unsure`: an eviction came since it began, and whether it touches the fill shows only at publish.
 * - `doomed`: it will not be kept.
 */
export type FillState = 'current' | 'unsure' | 'doomed'

/** One attempt to render and keep a page. Begins before the render reads anything. */
export interface Fill {
  readonly kind: 'fill'
  state(): Awaitable<FillState>
  /** Keeps the page, unless an eviction since `begin` touched its key or one of its tags. Ends the fill. */
  publish(page: NewPage): Awaitable<'kept' | 'doomed'>
  /** Ends the fill and leaves nothing behind. Harmless after `publish`. */
  abandon(): Awaitable<void>
  /**
   * The lineage of the page that was published, after `publish` has answered `kept`. A store that has no such
   * method keeps no page that is made of others.
   */
  lineage?(): string
}

/** Somebody else is rendering the key. */
export interface Busy {
  readonly kind: 'busy'
  /** Resolves when that render has ended, its owner is dead, or waiting is no longer worthwhile. Never rejects. */
  ended(): Promise<void>
}

export interface BeginOptions {
  /**
   * Begin even while another fill of the key is under way (default `false`). Costs a second render,
   * never a promise: each fill is doomed or published on its own.
   */
  readonly regardless?: boolean
}

/** How many keys of removed pages an eviction names. */
export const maxListedKeys = 1000

/** What an eviction did. */
export interface Eviction {
  /** How many pages were removed. */
  readonly removed: number
  /** The keys of removed pages, the first `maxListedKeys` of them. */
  readonly keys: readonly string[]
  /** How many renders in flight were doomed, as far as the store can count them. */
  readonly doomed: number
  /** What could not be evicted. Such an eviction is not done: repeat it. */
  readonly failures: readonly EvictionFailure[]
}

export interface EvictionFailure {
  readonly selector: Selector
  /** The page that stayed, where it is known. */
  readonly key?: string
  readonly cause: unknown
}

/** Each is a fact about the store, `false` unless stated. */
export interface StoreCapabilities {
  /** Fills of one key wait for each other over all processes on the store (P4); else only in one process. */
  readonly isSharedByProcesses: boolean
  /** `keys()` works, and patterns that are not a key or a subtree can be evicted. */
  readonly canList: boolean
  /** Pages outlive the process. */
  readonly isDurable: boolean
  /** `getEvicted` and `dropEvicted` work; else a cache on the store refuses `showEvictedMs`. */
  readonly keepsEvicted?: boolean
}

/** Small texts kept beside the pages, for invalidators: what they must not forget while the pages exist. */
export interface StoreState {
  read(name: string): Awaitable<string | undefined>
  /** Replaces the text atomically. An empty text removes it. */
  write(name: string, text: string): Awaitable<void>
}

export interface Store {
  /** `disk`, `memory`, `keyv`, ... for messages and metrics. */
  readonly name: string
  readonly capabilities: StoreCapabilities
  readonly state: StoreState
  /** The whole page of `key`, or `undefined`; a page that is damaged is none. Does not look at `expiresAtMs`. */
  get(key: string, options?: GetOptions): Awaitable<KeptPage | undefined>
  begin(key: string, options?: BeginOptions): Awaitable<Fill | Busy>
  /**
   * When it has ended without a failure, no page that a selector matches and whose render began before
   * the call is in the store, now or later, whoever rendered it.
   */
  evict(selectors: readonly Selector[]): Awaitable<Eviction>
  /**
   * The page of `key` that was evicted, if that was less than the `showEvictedMs` it was kept with ago. Counted
   * from its own eviction, whatever is evicted later. Gone after `dropEvicted` and after an eviction of everything
   * (`**`); where room is scarce it may be gone before. `get` and `keys` never see it.
   */
  getEvicted?(key: string): Awaitable<EvictedPage | undefined>
  /** Forgets it: a newer page has been made. */
  dropEvicted?(key: string): Awaitable<void>
  /** The keys of kept pages, those that `selector` matches; in no order, without a snapshot. */
  keys(selector?: Selector): AsyncIterable<string>
  /** Calls `listener` for each fault that no call can throw: those of work in the background. */
  onFault?(listener: (error: PagekeepError) => void): void
  /** Ends what the store holds open. Pages of a durable store stay. */
  close(): Awaitable<void>
}
