/**
 * What outlives connections: what is owed, the cursor beside the pages, the node's name and lock, counters.
 * A session borrows it all, and hands it to the next one.
 */
import { PagekeepError } from '../../../core/errors.js'
import type { StoreState } from '../../../core/store.js'
import type { Connection } from '../connection.js'
import type { InvalidatorEmitter } from '../events.js'
import { Evictor } from '../evictor.js'
import { LifeSign } from '../life-sign.js'
import { volatileState } from '../work.js'
import { Applier } from './applier.js'
import { CursorKeeper, type SavedCursor } from './cursor-keeper.js'
import type { CheckedFeedOptions } from './feed-options.js'
import type { Cursor, FeedIdentity, FeedSource } from './feed-source.js'
import { NodeLock } from './node-lock.js'
import { NodeMirror } from './node-mirror.js'
import { PollLease, type PollLeaseOptions } from './poll-lease.js'
import type { SchemaName } from './schema/quoting.js'
import { SnapshotSource, XminSource } from './table-source.js'
import { Tidying } from './tidying.js'

/** The parts that carry the promises. Tests put others in their place, to see that each is needed. */
export interface FeedParts {
  source(schema: SchemaName, isStandby: boolean): FeedSource
  lease(options: PollLeaseOptions): PollLease
}

export const soundFeedParts: FeedParts = {
  source: (schema, isStandby) => (isStandby ? new XminSource(schema) : new SnapshotSource(schema)),
  lease: (options) => new PollLease(options),
}

export class FeedWork {
  readonly parts: FeedParts
  readonly evictor: Evictor
  readonly applier: Applier
  readonly keeper: CursorKeeper
  readonly lock: NodeLock
  readonly mirror: NodeMirror
  readonly lifeSign: LifeSign
  readonly tidying: Tidying
  /** The connection of the session under way. */
  connection: Connection | undefined
  /** Known once it was connected. */
  node: string | undefined
  source: FeedIdentity['source'] | undefined
  /** What wakes it. */
  wakeUp: 'notify' | 'lease' | 'poll' | undefined
  /** How far this process has come; `undefined` while it does not read. */
  applied: SavedCursor | undefined
  appliedUntil: string | undefined
  /** Somebody waits for it to read. */
  isAsked = false
  /** Rows read since the process began. */
  rows = 0
  readonly #emitter: InvalidatorEmitter
  readonly #clock: CheckedFeedOptions['clock']
  readonly #watchers = new Set<() => void>()
  #saveFailed = false

  constructor(options: CheckedFeedOptions, emitter: InvalidatorEmitter, parts: FeedParts) {
    const { clock, target, schema } = options
    const state: StoreState = target.state ?? volatileState()
    this.parts = parts
    this.#emitter = emitter
    this.#clock = clock
    this.evictor = new Evictor(target, emitter)
    this.applier = new Applier({ ...options, evictor: this.evictor, emitter })
    this.keeper = new CursorKeeper(state, options.saveEveryMs)
    this.lock = new NodeLock(state, emitter, schema.name)
    this.tidying = new Tidying({ ...options, emitter })
    this.mirror = new NodeMirror(schema, clock)
    this.lifeSign = new LifeSign({
      state,
      clock,
      intervalMs: Math.ceil(options.heartbeatMs / 2),
      failed: (reason, cause) => emitter.fault(new PagekeepError('store-failed', reason, { cause })),
    })
    if (target.state === undefined) {
      emitter.warn(
        'The target has no state: how far the feed was read is forgotten with this process, and each start empties it.',
      )
    }
  }

  /** All before `cursor` is evicted. Never rejects: what cannot be saved is done again after a restart. */
  async advance(cursor: Cursor, identity: FeedIdentity, urgent: boolean): Promise<void> {
    const nowMs = this.#clock.now()
    try {
      if (await this.keeper.save(cursor, identity, nowMs, urgent)) this.#saveFailed = false
    } catch (thrown) {
      if (!this.#saveFailed) this.#emitter.fault(thrown as PagekeepError)
      this.#saveFailed = true
    }
    this.applied = { ...cursor, identity, savedAtMs: nowMs }
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** Calls `watcher` after each advance; returns a function that ends it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }
}
