/**
 * The contract's part that is played in processes of its own: a program that opens the store under test and
 * does what the contract tells it, over the channel that `fork` makes. The other end is contract/actor.ts.
 *
 * A render waits until the contract says what it makes, so that a process can be killed in the middle of one.
 */
import { closeSync, openSync } from 'node:fs'
import { createCache, type PageCache } from '../core/cache.js'
import { isPagekeepError, reasonOf } from '../core/errors.js'
import type { SelectorInput } from '../core/selector.js'
import type { Awaitable, Store } from '../core/store.js'

/** What the contract tells a process. `ask` without a `body` renders until `finish` says what was rendered. */
export type Order = { readonly id: number } & (
  | AskOrder
  | { readonly act: 'finish'; readonly body: string }
  | { readonly act: 'evict'; readonly selectors: readonly SelectorInput[] }
  | { readonly act: 'get'; readonly key: string }
  | { readonly act: 'exhaust' | 'recover' }
)

export interface AskOrder {
  readonly act: 'ask'
  readonly key: string
  readonly callers: number
  readonly tags: readonly string[]
  readonly body?: string
  readonly showEvictedMs?: number
}

/** What a process says. `asked`: every caller of an `ask` has called. */
export type Word =
  | { readonly kind: 'ready' | 'rendering' | 'asked' }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string | undefined; readonly reason: string }

/**
 * Makes the calling program one that `StoreUnderTest.process` can name. `open` gets its `argument`, and
 * opens the store on the same pages as everybody who gets that argument.
 *
 * @example
 * // my-store-process.ts
 * runStoreProcess((directory) => new DiskStore({ directory }))
 */
export function runStoreProcess(open: (argument: string) => Awaitable<Store>): void {
  const say = (word: Word) => void process.send?.(word)
  const opening = Promise.resolve(open(process.argv[2] ?? '')).then((store) => new Player(store, say))
  process.on('message', async (order: Order) => {
    try {
      say({ kind: 'done', id: order.id, result: await (await opening).obey(order) })
    } catch (thrown) {
      const code = isPagekeepError(thrown) ? thrown.code : undefined
      say({ kind: 'failed', id: order.id, code, reason: reasonOf(thrown) })
    }
  })
  process.on('disconnect', () => process.exit())
  void opening.then(() => say({ kind: 'ready' }))
}

class Player {
  readonly #cache: PageCache
  readonly #say: (word: Word) => void
  readonly #opened: number[] = []
  #finish: (body: string) => void = () => undefined

  constructor(store: Store, say: (word: Word) => void) {
    // A machine that is busy is no reason to give the store up.
    this.#cache = createCache({ store, storeTimeoutMs: 60_000 })
    this.#cache.on('error', () => undefined)
    this.#say = say
  }

  async obey(order: Order): Promise<unknown> {
    if (order.act === 'ask') return this.#ask(order)
    if (order.act === 'finish') return this.#finish(order.body)
    if (order.act === 'evict') return (await this.#cache.evict(order.selectors)).removed
    if (order.act === 'get') return (await this.#cache.get(order.key)) ?? null
    return order.act === 'exhaust' ? this.#exhaust() : this.#recover()
  }

  /** The distinct answers, and how many there were. */
  async #ask({
    key,
    callers,
    tags,
    body,
    showEvictedMs = 0,
  }: AskOrder): Promise<{ answers: unknown[]; count: number }> {
    const render = () => {
      const made = body ?? new Promise<string>((resolve) => (this.#finish = resolve))
      this.#say({ kind: 'rendering' })
      return made
    }
    const asked = Array.from({ length: callers }, () => this.#cache.getOrRender(key, render, { tags, showEvictedMs }))
    setImmediate(() => this.#say({ kind: 'asked' }))
    const answers = await Promise.all(asked)
    return { answers: [...new Set(answers)], count: answers.length }
  }

  /** Opens files until the process may open no more; returns how many. */
  #exhaust(): number {
    for (;;) {
      try {
        this.#opened.push(openSync('/dev/null', 'r'))
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'EMFILE') return this.#opened.length
        throw thrown
      }
    }
  }

  #recover(): void {
    for (const fd of this.#opened.splice(0)) closeSync(fd)
  }
}
