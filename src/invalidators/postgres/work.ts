/**
 * What outlives connections: the queues' drains with their rows set aside, the rules without a queue, the
 * second looks that are owed, the counters. A connection borrows it all, and hands it to the next one.
 */
import { PagekeepError } from '../../core/errors.js'
import type { StoreState } from '../../core/store.js'
import { type ConsumeBatch, consumeBatch } from './consume-batch.js'
import type { Duty } from './duty.js'
import type { InvalidatorEmitter } from './events.js'
import { Evictor } from './evictor.js'
import { LifeSign } from './life-sign.js'
import { AdvisoryListenerLock, type ListenerLock } from './listener-lock.js'
import { Notice } from './notice.js'
import type { CheckedOptions } from './options.js'
import { QueueDrain } from './queue-drain.js'
import { SecondLook } from './second-look.js'
import { Sweep } from './sweep.js'

/** The parts that carry the promises. Tests put others in their place, to see that each is needed. */
export interface Parts {
  readonly consume: ConsumeBatch
  readonly looksTwice: boolean
  lock(state: StoreState, emitter: InvalidatorEmitter): ListenerLock
}

export const soundParts: Parts = {
  consume: consumeBatch,
  looksTwice: true,
  lock: (state, emitter) => new AdvisoryListenerLock(state, emitter),
}

export class Work {
  readonly drains: readonly QueueDrain[]
  readonly notices: readonly Notice[]
  readonly secondLook: SecondLook
  readonly sweep: Sweep
  readonly evictor: Evictor
  readonly lock: ListenerLock
  readonly #lifeSign: LifeSign

  constructor(options: CheckedOptions, emitter: InvalidatorEmitter, parts: Parts) {
    const { clock, rules, target } = options
    const state = target.state ?? volatileState()
    const evictor = new Evictor(target, emitter)
    const secondLook = new SecondLook({ state, evictor, emitter, clock })
    const evictFor =
      (name: string): QueueDrainEvict =>
      async (selectors) => {
        await evictor.evict(selectors, 'queue', [name])
        if (parts.looksTwice) await secondLook.remember(selectors)
      }
    this.drains = rules.flatMap((rule) => {
      const { queue } = rule
      return queue === undefined
        ? []
        : [
            new QueueDrain({
              ...options,
              rule,
              queue,
              emitter,
              consume: parts.consume,
              evict: evictFor(queue.table.written),
            }),
          ]
    })
    this.notices = rules.flatMap((rule) =>
      rule.queue === undefined ? [new Notice(rule, evictor, emitter, clock)] : [],
    )
    this.sweep = new Sweep(this.drains, emitter, clock, options.sweepIntervalMs)
    this.evictor = evictor
    this.secondLook = secondLook
    this.lock = parts.lock(state, emitter)
    this.#lifeSign = new LifeSign({
      state,
      clock,
      intervalMs: Math.ceil(options.heartbeatMs / 2),
      failed: (reason, cause) => emitter.fault(new PagekeepError('store-failed', reason, { cause })),
    })
    if (target.state === undefined && this.drains.length > 0) {
      emitter.warn('The target has no state: second looks that are owed are forgotten when this process ends.')
    }
  }

  get duties(): Duty[] {
    return [...this.notices, ...this.drains, this.secondLook, this.sweep]
  }

  /** Every channel with a rule, each once. */
  get channels(): string[] {
    return [...new Set([...this.drains.map(({ channel }) => channel), ...this.notices.map(({ rule }) => rule.channel)])]
  }

  /** After each round of turns. `askedAtMs`: when the server was last known to be there. */
  async roundDone(askedAtMs: number): Promise<void> {
    this.sweep.settle()
    await this.#lifeSign.write(Math.min(askedAtMs, ...this.drains.map(({ coveredUntilMs }) => coveredUntilMs)))
  }

  /** A NOTIFY came. */
  notified(channel: string): void {
    for (const drain of this.drains) if (drain.channel === channel) drain.markDue()
    for (const notice of this.notices) if (notice.rule.channel === channel) notice.markDue()
  }
}

type QueueDrainEvict = ConstructorParameters<typeof QueueDrain>[0]['evict']

/** Remembers as long as the process lives. */
export function volatileState(): StoreState {
  const texts = new Map<string, string>()
  return {
    read: (name) => texts.get(name),
    write(name, text) {
      texts.set(name, text)
    },
  }
}
