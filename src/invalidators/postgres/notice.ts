/**
 * A rule without a queue: the NOTIFY itself says it all. One that was sent while nobody listened is gone
 * without a trace, so what it evicts is evicted on every connection too.
 */
import type { Clock } from '../../core/clock.js'
import type { PagekeepError } from '../../core/errors.js'
import { backoffMs } from './backoff.js'
import { atOnce, type Duty, never } from './duty.js'
import type { InvalidatorEmitter } from './events.js'
import type { Evictor } from './evictor.js'
import type { Rule } from './rules.js'

const retryOptions = { minMs: 1000, maxMs: 300_000 }

export class Notice implements Duty {
  readonly rule: Rule
  readonly #evictor: Evictor
  readonly #emitter: InvalidatorEmitter
  readonly #clock: Clock
  #dueAtMs = never
  #failures = 0
  #beganAtMs = Number.NEGATIVE_INFINITY

  constructor(rule: Rule, evictor: Evictor, emitter: InvalidatorEmitter, clock: Clock) {
    this.rule = rule
    this.#evictor = evictor
    this.#emitter = emitter
    this.#clock = clock
  }

  markDue(): void {
    this.#dueAtMs = atOnce
  }

  dueAtMs(): number {
    return this.#dueAtMs
  }

  isBehind(sinceMs: number): boolean {
    return this.#beganAtMs < sinceMs
  }

  async turn(): Promise<void> {
    this.#beganAtMs = this.#clock.now()
    this.#dueAtMs = never
    try {
      await this.#evictor.evict(this.rule.selectorsOf({}), 'notify', [this.rule.channel])
      this.#failures = 0
    } catch (thrown) {
      this.#failures++
      const retryAtMs = this.#clock.now() + backoffMs(this.#failures, retryOptions)
      this.#dueAtMs = Math.min(this.#dueAtMs, retryAtMs)
      this.#emitter.fault(thrown as PagekeepError)
    }
  }
}
