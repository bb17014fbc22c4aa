/** What is under stress, as the crew sees it: the real cache on one of its stores, or the naive protocol. */
import { createCache, type PageBody, type Store } from 'pagekeep'
import { type ContentCoding, DiskStore } from 'pagekeep/stores/disk'
import { jitteryFiles, makePause } from './jitter.js'
import { NaiveProtocol } from './naive-protocol.js'
import type { Protocol, StoreName } from './options.js'
import type { Random } from './random.js'
import { sabotaged } from './sabotage.js'
import type { Selectors } from './site.js'
import { SlowMap } from './slow-map.js'

export type Render = (context: { tag(...tags: string[]): void }) => Promise<PageBody>

export interface Subject {
  getOrRender(key: string, render: Render): Promise<PageBody>
  get(key: string): Promise<PageBody | undefined>
  /** Resolves when it is done, and rejects when it must be repeated. */
  evict(selectors: Selectors): Promise<unknown>
  close(): Promise<void>
}

/** Told what happens. */
export interface Observer {
  count(event: 'hits' | 'kept' | 'doomed'): void
  fault(reason: string): void
}

export interface SubjectPlan {
  readonly store: StoreName
  readonly protocol: Protocol
  /** Where pages lie, for those that keep files. */
  readonly directory: string
  readonly redisUrl: string | undefined
  readonly jitterMs: number
  /** What pages may take in the memory of a process; `undefined`: as the store has it. For the disk store. */
  readonly hotBytes: number | undefined
  /** What pages lie in. For the disk store. */
  readonly coding: ContentCoding
}

/** One for each node that this process plays: stores that may be shared within a process are. */
export async function createSubjects(
  plan: SubjectPlan,
  random: Random,
  observer: Observer,
): Promise<[Subject, ...Subject[]]> {
  if (plan.protocol === 'naive') {
    return [new NaiveProtocol(plan.directory, makePause(random, plan.jitterMs), observer)]
  }
  if (plan.store === 'disk') {
    const onFault = (error: Error) => observer.fault(error.message)
    const sound = jitteryFiles(random, plan.jitterMs)
    const files = plan.protocol === 'pagekeep' ? sound : sabotaged(sound, plan.protocol)
    const hot = plan.hotBytes === undefined ? {} : { hotBytes: plan.hotBytes }
    const { directory, coding } = plan
    return [overStore(new DiskStore({ directory, coding, files, onFault, ...hot }), observer)]
  }
  // The others are loaded only where they are needed: a process is to start fast.
  if (plan.store === 'memory') {
    const { MemoryStore } = await import('pagekeep/stores/memory')
    return [overStore(new MemoryStore(), observer)]
  }
  const { KeyvStore } = await import('pagekeep/stores/keyv')
  const { Keyv } = await import('keyv')
  if (plan.store === 'redis') {
    const { default: KeyvRedis } = await import('@keyv/redis')
    const adapter = new KeyvRedis(plan.redisUrl ?? '', { namespace: 'stress' })
    const keyv = new Keyv({ store: adapter, namespace: 'stress', useKeyPrefix: false })
    return [overStore(new KeyvStore({ keyv }), observer, () => adapter.disconnect())]
  }
  const map = new SlowMap(random)
  const another = () => overStore(new KeyvStore({ keyv: new Keyv({ store: map }) }), observer)
  return [another(), another()]
}

function overStore(store: Store, observer: Observer, closed?: () => Promise<unknown>): Subject {
  // A pause of the whole process is no reason to give the store up.
  const cache = createCache({ store, storeTimeoutMs: 30_000 })
  cache.on('hit', () => observer.count('hits'))
  cache.on('kept', () => observer.count('kept'))
  cache.on('doomed', () => observer.count('doomed'))
  cache.on('error', (error) => observer.fault(`${error.code}: ${error.message}`))
  return {
    getOrRender: (key, render) => cache.getOrRender(key, render),
    get: (key) => cache.get(key),
    evict: (selectors) => cache.evict(selectors),
    async close() {
      await cache.close()
      await closed?.()
    },
  }
}
