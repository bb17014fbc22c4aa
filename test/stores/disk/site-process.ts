/**
 * One process of a site, for tests that need several: it does what its parent says, and asks the parent
 * before it ends a render. Run by `node --import tsx`.
 */
import { createCache } from '../../../src/core/cache.js'
import { DiskStore } from '../../../src/stores/disk/index.js'

/** `request`: so many concurrent calls for a key, each of which would render `body`. */
export type Order =
  | {
      readonly id: number
      readonly act: 'request'
      readonly key: string
      readonly callers: number
      readonly body: string
    }
  | { readonly id: number; readonly act: 'evict'; readonly selector: string }
  | { readonly id: number; readonly act: 'get'; readonly key: string }
  | { readonly id: number; readonly act: 'finish' }

export type Word =
  | { readonly kind: 'ready' | 'rendering' | 'waiting' }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }

const cache = createCache({ store: new DiskStore({ directory: process.argv[2] ?? '' }) })
let finish: () => void = () => undefined
const say = (word: Word) => void process.send?.(word)

async function request(key: string, callers: number, body: string): Promise<string[]> {
  const render = async () => {
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    say({ kind: 'rendering' })
    await finished
    return body
  }
  const answers = Array.from({ length: callers }, () => cache.getOrRender(key, render))
  setImmediate(() => say({ kind: 'waiting' }))
  return [...new Set(await Promise.all(answers))]
}

async function obey(order: Order): Promise<unknown> {
  if (order.act === 'request') return request(order.key, order.callers, order.body)
  if (order.act === 'evict') return (await cache.evict(order.selector)).removed
  if (order.act === 'get') return (await cache.get(order.key)) ?? null
  return finish()
}

process.on('message', async (order: Order) => say({ kind: 'done', id: order.id, result: await obey(order) }))
process.on('disconnect', () => process.exit())
say({ kind: 'ready' })
