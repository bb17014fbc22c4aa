/** One of several processes that ask for one cold page; each render leaves a line in a file they share. */
import { appendFileSync } from 'node:fs'
import { createCache } from '../../src/core/cache.js'
import { DiskStore } from '../../src/stores/disk/index.js'

export type Order = { readonly act: 'ask'; readonly key: string; readonly callers: number } | { readonly act: 'finish' }
export type Word =
  | { readonly kind: 'ready' | 'rendering' | 'waiting' }
  | { readonly kind: 'answered'; readonly answers: readonly string[]; readonly count: number }

const [directory = '', counter = ''] = process.argv.slice(2)
const cache = createCache({ store: new DiskStore({ directory }) })
const say = (word: Word) => void process.send?.(word)
let finish: () => void = () => undefined

async function render(): Promise<string> {
  appendFileSync(counter, `${process.pid}\n`)
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  say({ kind: 'rendering' })
  await finished
  return `by ${process.pid}`
}

process.on('message', async (order: Order) => {
  if (order.act === 'finish') return finish()
  const asked = Array.from({ length: order.callers }, () => cache.getOrRender(order.key, render))
  setImmediate(() => say({ kind: 'waiting' }))
  const answers = await Promise.all(asked)
  say({ kind: 'answered', answers: [...new Set(answers)], count: answers.length })
})
process.on('disconnect', () => process.exit())
say({ kind: 'ready' })
