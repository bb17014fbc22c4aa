/**
 * The cursor beside the pages: written after what lies before it is evicted, in one step, so that a crash at
 * any moment repeats evictions and forgets none. And the judgment whether a cursor that was found there may be
 * believed: it may not when the feed is another, when rows behind it are gone, or when it comes from the future.
 */
import { PagekeepError, reasonOf } from '../../../core/errors.js'
import type { StoreState } from '../../../core/store.js'
import type { Cursor, FeedIdentity } from './feed-source.js'
import { parseSnapshot } from './snapshot.js'

/** The name of the cursor among the store's texts. */
export const cursorState = 'postgres-feed-cursor'

/** Why a store was emptied. Each names what a cursor was held against. */
export type EmptiedReason =
  | 'no-cursor'
  | 'unreadable'
  | 'system'
  | 'timeline'
  | 'database'
  | 'epoch'
  | 'source'
  | 'crash'
  | 'future'
  | 'low-water'

/** What is written beside the pages. */
export interface SavedCursor extends Cursor {
  readonly identity: FeedIdentity
  /** When, by this machine's clock. */
  readonly savedAtMs: number
}

export class CursorKeeper {
  readonly #state: StoreState
  readonly #intervalMs: number
  #savedAtMs = Number.NEGATIVE_INFINITY
  #text: string | undefined

  /** `intervalMs`: how often a cursor is saved that only moved, with nothing evicted. */
  constructor(state: StoreState, intervalMs: number) {
    this.#state = state
    this.#intervalMs = intervalMs
  }

  /** `undefined`: there is none. Throws `store-failed`, and a `SyntaxError` or `TypeError` for what is no cursor. */
  async read(): Promise<SavedCursor | undefined> {
    const text = await this.#try('read', () => this.#state.read(cursorState))
    return text === undefined || text === '' ? undefined : readSaved(text)
  }

  /** Saves it, unless that is not `urgent` and was done a moment ago; answers whether it did. */
  async save(cursor: Cursor, identity: FeedIdentity, nowMs: number, urgent: boolean): Promise<boolean> {
    const text = JSON.stringify([cursor, identity])
    const isDue = nowMs - this.#savedAtMs >= this.#intervalMs
    if (!isDue && (!urgent || text === this.#text)) return false
    const saved: SavedCursor = { ...cursor, identity, savedAtMs: nowMs }
    await this.#try('write', () => this.#state.write(cursorState, JSON.stringify(saved)))
    this.#text = text
    this.#savedAtMs = nowMs
    return true
  }

  /** Before a store is emptied: a crash on the way must not find the cursor that was not believed. */
  async forget(): Promise<void> {
    this.#text = undefined
    this.#savedAtMs = Number.NEGATIVE_INFINITY
    await this.#try('remove', () => this.#state.write(cursorState, ''))
  }

  async #try<T>(act: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      const message = `Could not ${act} the state "${cursorState}" beside the pages: ${reasonOf(thrown)}. It is tried again.`
      throw new PagekeepError('store-failed', message, { cause: thrown })
    }
  }
}

function readSaved(text: string): SavedCursor {
  const saved = JSON.parse(text) as SavedCursor
  parseSnapshot(saved.snapshot)
  BigInt(saved.lowWater)
  if (typeof saved.identity !== 'object') throw new TypeError('Expected an identity')
  return saved
}

/** Why `saved` may not be believed by who reads the feed `identity`, which ends at `end`; `undefined`: it may. */
export function distrust(saved: SavedCursor, identity: FeedIdentity, end: Cursor): EmptiedReason | undefined {
  const was = saved.identity
  if (was.system !== identity.system) return 'system'
  if (was.database !== identity.database) return 'database'
  if (was.epoch !== identity.epoch) return 'epoch'
  if (was.source !== identity.source) return 'source'
  if (was.timeline !== identity.timeline) return 'timeline'
  if (was.boot !== identity.boot) return 'crash'
  if (parseSnapshot(saved.snapshot).xmax > parseSnapshot(end.snapshot).xmax) return 'future'
  if (lsnOf(saved.lsn) > lsnOf(end.lsn)) return 'future'
  return hasLost(saved, end.lowWater) ? 'low-water' : undefined
}

/** Whether rows that `cursor` had not seen may have been thrown away since. */
export function hasLost(cursor: Cursor, lowWater: string): boolean {
  if (cursor.lowWater === lowWater) return false
  return parseSnapshot(cursor.snapshot).xmin <= BigInt(lowWater)
}

/** `16/B374D848` as a number. */
export function lsnOf(text = '0/0'): bigint {
  const [high = '', low = ''] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

/** For people: what was held against what. */
export const reasonTexts: Readonly<Record<EmptiedReason, string>> = {
  'no-cursor':
    'it has no cursor yet, as at a first start, so its pages, and renders under way, may be older than the feed',
  unreadable: 'its cursor cannot be read',
  system: 'its cursor belongs to another PostgreSQL system',
  timeline: 'a standby was promoted since: transactions may have been lost, and their numbers given again',
  database: 'its cursor belongs to another database',
  epoch: 'the feed was dropped and made anew',
  source: 'its cursor was read from a primary and this is a standby, or the other way round',
  crash: 'PostgreSQL has recovered from a crash since: transactions may have been lost, and their numbers given again',
  future: 'its cursor is ahead of the server: an older state was restored, or this standby lags behind another',
  'low-water': 'rows that it had not seen have been thrown away: it was away for longer than they are kept',
}
