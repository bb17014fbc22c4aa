/**
 * As much of a Keyv instance as is used, the same in Keyv 5 and Keyv 6, and what can be told about the
 * adapter behind it. Both versions take a relative ttl here; only their adapters differ.
 */

export interface KeyvLike {
  get(key: string): Promise<unknown>
  getMany(keys: string[]): Promise<unknown[]>
  /** `ttl` in milliseconds. */
  set(key: string, value: unknown, ttl?: number): Promise<unknown>
  delete(key: string): Promise<unknown>
  on(event: string, listener: (error: unknown) => void): unknown
  off(event: string, listener: (error: unknown) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: each version declares another iterator, with other arguments
  iterator?: ((...details: any[]) => AsyncIterable<unknown>) | undefined
  readonly store?: unknown
}

/** Whether the adapter can walk over what it holds. */
export function canList(keyv: KeyvLike): boolean {
  if (typeof keyv.iterator !== 'function') return false
  const adapter = keyv.store as Partial<Adapter> | undefined
  // Keyv 6 has an iterator always, which yields nothing when what it wraps has none.
  const wrapped = adapter?.store
  if (wrapped !== undefined && adapter?.capabilities !== undefined) {
    return typeof wrapped.iterator === 'function' || typeof wrapped.entries === 'function'
  }
  return adapter instanceof Map || typeof adapter?.iterator === 'function'
}

/** Whether what the adapter holds outlives the process: taken to be so unless it is a Map or works like one. */
export function isDurable(keyv: KeyvLike): boolean {
  const adapter = keyv.store as Partial<Adapter> | undefined
  const holder = adapter?.capabilities === undefined ? adapter : (adapter.store ?? adapter)
  return !(holder instanceof Map || typeof holder?.entries === 'function')
}

interface Adapter {
  readonly store: Partial<Adapter>
  readonly capabilities: unknown
  readonly iterator: unknown
  readonly entries: unknown
}

/** Works on many things, so many at a time. */
export async function inBatches<In, Out>(items: readonly In[], work: (batch: In[]) => Promise<Out[]>): Promise<Out[]> {
  const results: Out[] = []
  for (let at = 0; at < items.length; at += batchSize) {
    results.push(...(await work(items.slice(at, at + batchSize))))
  }
  return results
}

const batchSize = 256
