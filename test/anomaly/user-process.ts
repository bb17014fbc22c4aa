/**
 * A process of one of the users of a cache directory. It is started by root, loads everything, and then
 * becomes that user: uid, primary group and supplementary groups, as `www` of the group `freshports` would be.
 */
import { createCache } from '../../src/core/cache.js'
import { isPagekeepError } from '../../src/core/errors.js'
import type { SelectorInput } from '../../src/core/selector.js'
import { DiskStore, type DiskStoreOptions } from '../../src/stores/disk/index.js'

export interface Start {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly options: DiskStoreOptions
}

export type Order =
  | { readonly act: 'ask'; readonly key: string; readonly ttlMs?: number; readonly tags?: readonly string[] }
  /** Renders until it is told to finish. */
  | { readonly act: 'begin'; readonly key: string }
  | { readonly act: 'finish' }
  | { readonly act: 'get'; readonly key: string }
  | { readonly act: 'evict'; readonly selector: SelectorInput }
  | { readonly act: 'write'; readonly text: string }
  | { readonly act: 'close' }

/** What came of an order, and the codes and messages of the error events meanwhile. */
export interface Outcome {
  readonly result?: unknown
  readonly code?: string
  readonly message?: string
  readonly events: readonly { readonly code: string; readonly message: string }[]
}

const { uid, gid, groups, options } = JSON.parse(process.argv[2] ?? '') as Start
process.umask(0o022)
process.setgroups?.([...groups])
process.setgid?.(gid)
process.setuid?.(uid)

const cache = createCache({ store: new DiskStore(options) })
let events: Outcome['events'][number][] = []
cache.on('error', ({ code, message }) => events.push({ code, message }))
let finish: () => void = () => undefined
let landing: Promise<unknown> = Promise.resolve()

async function obey(order: Order): Promise<unknown> {
  switch (order.act) {
    case 'ask':
      return cache.getOrRender(order.key, () => `by ${uid}`, {
        ...(order.tags && { tags: order.tags }),
        ...(order.ttlMs && { ttlMs: order.ttlMs }),
      })
    case 'begin':
      return new Promise<void>((begun) => {
        landing = cache.getOrRender(order.key, () => {
          begun()
          return new Promise<string>((resolve) => {
            finish = () => resolve(`by ${uid}`)
          })
        })
      })
    case 'finish':
      finish()
      return landing
    case 'get':
      return (await cache.get(order.key)) ?? null
    case 'evict':
      return (await cache.evict(order.selector)).removed
    case 'write':
      return cache.state.write('cursor', order.text)
    case 'close':
      return cache.close()
  }
}

process.on('message', async (order: Order) => {
  let outcome: Omit<Outcome, 'events'>
  try {
    outcome = { result: (await obey(order)) ?? null }
  } catch (thrown) {
    const { message } = thrown as Error
    outcome = { code: isPagekeepError(thrown) ? thrown.code : 'unknown', message }
  }
  process.send?.({ ...outcome, events })
  events = []
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
