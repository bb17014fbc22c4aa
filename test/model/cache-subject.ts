/** The real cache, with renders that can be held open, a clock that tests own, and a second instance on its pages. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { createCache, type PageCache, type Store } from 'pagekeep'
import { FakeClock } from 'pagekeep/testing'
import type { CacheReference, Key, Loss, Page } from './cache-reference.js'
import { ttlMs } from './cache-reference.js'

export interface Subjects {
  readonly open: () => Store
  /** Whether all that were opened are on the same pages; else each begins empty. */
  readonly areShared: boolean
  /** Removes everything, when the stores have been closed. */
  readonly dispose?: () => void | Promise<void>
  readonly loss: Loss
  /** Whether a store waits for something that is not in this process. Default: none ever does. */
  readonly isBusy?: () => boolean
}

interface OpenCall {
  readonly answer: Promise<string>
  readonly finish: () => void
}

/** A call without an answer, judged when it comes. */
interface Waiter {
  readonly judged: Promise<void>
  readonly hasRendered: () => boolean
}

export class CacheSubject {
  readonly clock = new FakeClock()
  readonly areShared: boolean
  cache: PageCache
  readonly #subjects: Subjects
  #other: PageCache | undefined
  readonly #calls = new Map<Key, OpenCall>()
  readonly #waiting = new Map<Key, Waiter[]>()
  readonly #faults: unknown[] = []

  constructor(subjects: Subjects) {
    this.#subjects = subjects
    this.areShared = subjects.areShared
    this.cache = this.#cacheOf(subjects.open())
  }

  /** Evictions may come from another instance, as from another process. */
  instance(isOther: boolean): PageCache {
    if (!isOther || !this.areShared) return this.cache
    this.#other ??= this.#cacheOf(this.#subjects.open())
    return this.#other
  }

  /** Asks for a page; `undefined` when there is no answer until an open render ends. */
  async ask(key: Key, page: () => Page, judge: (body: string) => string | undefined) {
    let renders = 0
    const answer = this.cache.getOrRender(
      key,
      (context) => {
        renders++
        const { body, tags } = page()
        context.tag(...tags)
        return body
      },
      optionsOf(key),
    )
    const judged = answer.then((body) => assert.equal(judge(body), undefined))
    if (this.#calls.has(key) && !(await isSettled(judged, this.#subjects.isBusy))) {
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), { judged, hasRendered: () => renders > 0 }])
      return undefined
    }
    await judged
    return { body: await answer, isRendered: renders > 0 }
  }

  /** Starts a call whose render reads its data at once and then stays open. Says whether it renders. */
  async begin(key: Key, { body, tags }: Page, judge: (body: string) => string | undefined): Promise<boolean> {
    let finish = () => {}
    const held = new Promise<void>((resolve) => {
      finish = resolve
    })
    let began = () => {}
    const hasBegun = new Promise<'began'>((resolve) => {
      began = () => resolve('began')
    })
    const answer = this.cache.getOrRender(
      key,
      async (context) => {
        began()
        await held
        context.tag(...tags)
        return body
      },
      optionsOf(key),
    )
    const first = await Promise.race([hasBegun, answer])
    if (first === 'began') this.#calls.set(key, { answer, finish })
    else assert.equal(judge(first), undefined)
    return first === 'began'
  }

  /**
   * Lets the open render of `key` end; everybody who waits has an answer afterwards. With what it made, and whether
   * somebody who waited rendered anew.
   */
  async finish(key: Key): Promise<{ body: string | undefined; isRenderedAnew: boolean }> {
    const call = this.#calls.get(key)
    call?.finish()
    const body = await call?.answer
    this.#calls.delete(key)
    const waiters = this.#waiting.get(key) ?? []
    await Promise.all(waiters.map(({ judged }) => judged))
    this.#waiting.delete(key)
    return { body, isRenderedAnew: waiters.some(({ hasRendered }) => hasRendered()) }
  }

  async restart(): Promise<void> {
    const calls = [...this.#calls.keys()]
    const closed = this.close()
    await Promise.all(calls.map((key) => this.finish(key)))
    await closed
    this.cache = this.#cacheOf(this.#subjects.open())
  }

  async close(): Promise<void> {
    await Promise.all([this.cache.close(), this.#other?.close()])
    this.#other = undefined
  }

  async end(): Promise<void> {
    for (const key of [...this.#calls.keys()]) await this.finish(key)
    await this.close()
    await this.#subjects.dispose?.()
    assert.deepEqual(this.#faults, [])
  }

  /** P1: what is kept is what the reference keeps; where pages may be lost, nothing else. */
  async check(reference: CacheReference, keys: readonly Key[]): Promise<void> {
    for (const key of keys) {
      const body = (await this.cache.get(key)) as string | undefined
      if (body !== undefined) assert.equal(reference.bound(key)(body), undefined)
      const expected = reference.pages.get(key)
      if (body === undefined && expected?.mayBeLost) reference.pages.delete(key)
      else assert.equal(body, expected?.body, `what is kept of ${key}`)
    }
  }

  #cacheOf(store: Store): PageCache {
    const cache = createCache({ store, clock: this.clock })
    cache.on('error', (error) => this.#faults.push(error))
    return cache
  }
}

function optionsOf(key: Key) {
  return key.startsWith('b/') ? { ttlMs } : {}
}

/** Whether a promise is fulfilled within some turns of the event loop, in which nothing else is waited for. */
async function isSettled(promise: Promise<unknown>, isBusy = () => false): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 20 && !settled; turn = isBusy() ? 0 : turn + 1) await setImmediate()
  return settled
}
