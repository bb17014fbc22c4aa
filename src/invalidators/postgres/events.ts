/**
 * What an invalidator tells while it works. A listener that throws disturbs nothing, and a fault that
 * nobody listens to and no logger records is a process warning, once a code: never silent, never a flood.
 */
import { EventEmitter } from 'node:events'
import { type PagekeepError, reasonOf } from '../../core/errors.js'
import type { EvictionReport } from '../../core/eviction-report.js'
import { type Logger, silentLogger } from '../../core/invalidator.js'
import type { EmptiedReason } from './feed/cursor-keeper.js'

export interface InvalidatorEvents {
  /** It listens, and what was queued meanwhile is about to be swept. */
  connected: { readonly channels: readonly string[] }
  /** The connection is gone; the next attempt comes in `retryInMs` milliseconds. */
  disconnected: { readonly reason: PagekeepError; readonly retryInMs: number }
  /** Another process of this node listens; this one takes over when that ends. */
  standingBy: { readonly pid: string }
  /**
   * Selectors were evicted. `why`: by rows of a queue, by a NOTIFY without a queue, or a second time; by rows of
   * the feed, on trying again, or because the store was emptied. `rules` had a part in it, where that is known: each
   * is named by its table, or by its channel where it has none. `report` is what the target answered: the very
   * object of a cache's own `evicted` event. `rows` of queues named it, as `table#id column=value`, a hundred at most.
   */
  evicted: {
    readonly why: 'queue' | 'notify' | 'second-look' | 'feed' | 'retry' | 'emptied'
    readonly selectors: readonly string[]
    readonly removed: number
    readonly rules: readonly string[]
    readonly rows: readonly string[]
    readonly report: EvictionReport
  }
  /** Everything was evicted, since what was remembered of the feed could not be believed. `message` says it in words. */
  emptied: { readonly reason: EmptiedReason; readonly message: string }
  /** Every queue was looked at; `rows` were cleared since the sweep before. */
  swept: { readonly rows: number }
  /** A row cannot be applied. It stays in its table and is tried again at `retryAtMs` (since 1970). */
  setAside: {
    readonly table: string
    readonly id: string
    readonly attempts: number
    readonly retryAtMs: number
    readonly error: PagekeepError
  }
  /** Anything that went wrong, with what to do about it. Pages are rendered and served all the same. */
  error: PagekeepError
}

export type InvalidatorEventName = keyof InvalidatorEvents
export type InvalidatorListener<Name extends InvalidatorEventName> = (event: InvalidatorEvents[Name]) => void

/** What is logged besides faults, and how loudly. */
const levels: Partial<Record<InvalidatorEventName, 'debug' | 'info' | 'warn'>> = {
  connected: 'info',
  standingBy: 'info',
  setAside: 'warn',
  emptied: 'warn',
  swept: 'debug',
  evicted: 'debug',
}

export class InvalidatorEmitter {
  readonly #emitter = new EventEmitter()
  readonly #logger: Logger
  readonly #warned = new Set<string>()
  lastFault: PagekeepError | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  on<Name extends InvalidatorEventName>(name: Name, listener: InvalidatorListener<Name>): () => void {
    this.#emitter.on(name, listener)
    return () => this.#emitter.off(name, listener)
  }

  emit<Name extends InvalidatorEventName>(name: Name, event: InvalidatorEvents[Name]): void {
    const level = levels[name]
    if (level !== undefined) this.#logger[level](`pagekeep: ${name}`, event)
    for (const listener of this.#emitter.listeners(name)) {
      try {
        listener(event)
      } catch (thrown) {
        this.#logger.error(`A listener of the invalidator's "${name}" event threw: ${reasonOf(thrown)}`)
      }
    }
  }

  warn(message: string): void {
    this.#logger.warn(message)
  }

  /** Logs `error`, emits it, and warns where nobody would see it. */
  fault(error: PagekeepError): void {
    this.lastFault = error
    this.#logger.error(error.message, { code: error.code })
    this.emit('error', error)
    const isSeen = this.#logger !== silentLogger || this.#emitter.listenerCount('error') > 0
    if (isSeen || this.#warned.has(error.code)) return
    this.#warned.add(error.code)
    const advice = 'Hand the invalidator a logger, or listen to its "error" event, to see every fault.'
    process.emitWarning(`${error.message} ${advice}`, { type: 'PagekeepWarning', code: error.code })
  }
}
