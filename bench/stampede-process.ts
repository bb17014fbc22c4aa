/** One process of a stampede: `tsx stampede-process.ts <directory>`. Each message is a key that callers ask for at once. */
import { setTimeout } from 'node:timers/promises'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'

export interface StampedeOrder {
  readonly key: string
  readonly callers: number
  readonly renderMs: number
}

export interface StampedeResult {
  readonly renders: number
  /** From the first call to the last answer. */
  readonly tookMs: number
}

const cache = createCache({ store: new DiskStore({ directory: process.argv[2] ?? '' }) })

process.on('message', async ({ key, callers, renderMs }: StampedeOrder) => {
  let renders = 0
  const began = performance.now()
  const render = async () => {
    renders++
    await setTimeout(renderMs)
    return 'a page'
  }
  await Promise.all(Array.from({ length: callers }, () => cache.getOrRender(key, render)))
  process.send?.({ renders, tookMs: performance.now() - began } satisfies StampedeResult)
})
process.send?.('ready')
