/**
 * What a cache tells while it works. A listener that throws does not disturb the page that is served.
 */
import { EventEmitter } from 'node:events'
import type { PagekeepError } from './errors.js'
import type { EvictionReport } from './eviction-report.js'

export interface CacheEvents {
  /** A kept page was served. */
  hit: { readonly key: string }
  /** There was no page; a render or a wait for one follows. */
  miss: { readonly key: string }
  /** After a miss: the page that was evicted is shown meanwhile, as `showEvictedMs` allows. */
  shownEvicted: { readonly key: string; readonly evictedMsAgo: number }
  /** A render begins; `id` is the same when it ends, and another for each. */
  renderBegan: { readonly key: string; readonly id: number }
  /**
   * A render and the keeping of its page have ended, after `tookMs` milliseconds. `unkept`: doomed, or not to be kept;
   * `failed`: it threw, or made no page.
   */
  renderEnded: {
    readonly key: string
    readonly id: number
    readonly tookMs: number
    readonly outcome: 'kept' | 'unkept' | 'failed'
  }
  /** A rendered page was kept. Times in milliseconds. */
  kept: { readonly key: string; readonly renderMs: number; readonly tags: readonly string[] }
  /**
   * A rendered page was answered and not kept: an eviction came while it was rendered, or a page that it is
   * made of (`part`) was not kept.
   */
  doomed: { readonly key: string; readonly renderMs: number; readonly part?: string }
  /** An eviction is done. */
  evicted: EvictionReport
  /** The invalidator has not been heard for longer than `maxLagMs`: pages are rendered through. */
  blind: { readonly lagMs: number }
  /** The invalidator is heard again. */
  sighted: { readonly lagMs: number }
  /** `verify()` found a page that is not what its data says. */
  staleFound: { readonly key: string }
  /** A fault of the cache. The page concerned was rendered and served all the same. */
  error: PagekeepError
}

export type CacheEventName = keyof CacheEvents
export type CacheListener<Name extends CacheEventName> = (event: CacheEvents[Name]) => void

export class CacheEmitter {
  readonly #emitter = new EventEmitter({ captureRejections: false })
  readonly #warned = new Set<string>()

  on<Name extends CacheEventName>(name: Name, listener: CacheListener<Name>): () => void {
    this.#emitter.on(name, listener)
    return () => this.#emitter.off(name, listener)
  }

  emit<Name extends CacheEventName>(name: Name, event: CacheEvents[Name]): void {
    if (this.#emitter.listenerCount(name) === 0) return
    for (const listener of this.#emitter.listeners(name)) {
      try {
        listener(event)
      } catch (thrown) {
        process.emitWarning(`A listener of the cache's "${name}" event threw: ${String(thrown)}`, 'PagekeepWarning')
      }
    }
  }

  /** Emits `error`. A fault that nobody listens for is a process warning, once a code: never silent, never a flood. */
  fault(error: PagekeepError): void {
    if (this.#emitter.listenerCount('error') > 0) {
      this.emit('error', error)
    } else if (!this.#warned.has(error.code)) {
      this.#warned.add(error.code)
      const advice = 'Listen to the "error" event of the cache to see every fault.'
      process.emitWarning(`${error.message} ${advice}`, { type: 'PagekeepWarning', code: error.code })
    }
  }

  removeAll(): void {
    this.#emitter.removeAllListeners()
  }
}
