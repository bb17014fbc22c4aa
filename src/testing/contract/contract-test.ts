/** What a test of the contract is, and the stage it plays on. */
import assert from 'node:assert/strict'
import { createCache, type PageCache } from '../../core/cache.js'
import { parseSelectors, type SelectorInput } from '../../core/selector.js'
import type { Eviction, Fill, NewPage, PageBody, Store, StoreCapabilities } from '../../core/store.js'
import { FakeClock } from '../fake-clock.js'
import type { StoreUnderTest } from '../store-contract.js'
import { Actor } from './actor.js'

/** A capability of the store, or a hook of what `create` returned; `ulimit` is one of the machine. */
type Need = keyof StoreCapabilities | 'another' | 'tearWrite' | 'truncate' | 'leaveLock' | 'process' | 'ulimit'

export interface ContractTest {
  /** A sentence of the port. */
  readonly title: string
  /** Runs only on stores that can do this. */
  readonly needs?: Need | readonly Need[]
  run(stage: Stage): Promise<void>
}

/** One store, and short words for what tests do with it. */
export class Stage {
  readonly store: Store
  readonly clock = new FakeClock()
  /** How long anything may take that a store may take its time for. */
  readonly patienceMs: number
  readonly #under: StoreUnderTest
  readonly #others: Store[] = []
  readonly #actors: Actor[] = []

  constructor(under: StoreUnderTest, patienceMs: number) {
    this.#under = under
    this.store = under.store
    this.patienceMs = patienceMs
  }

  /** Why the test does not apply, or `undefined` when it does. */
  missing({ needs = [] }: ContractTest): string | undefined {
    return [needs]
      .flat()
      .map((need) => this.#reasonWithout(need))
      .find((reason) => reason !== undefined)
  }

  another(): Store {
    const other = this.#under.another?.()
    assert.ok(other, 'the store under test offers no second instance')
    this.#others.push(other)
    return other
  }

  /** So many other processes on the same pages, ready. */
  async crew(size: number): Promise<Actor[]> {
    const crew = Array.from({ length: size }, () => this.#actor(false))
    await Promise.all(crew.map((actor) => actor.ready()))
    return crew
  }

  async actorWithFewFiles(): Promise<Actor> {
    const actor = this.#actor(true)
    await actor.ready()
    return actor
  }

  async tearWrite(key: string, body: string): Promise<void> {
    await this.#under.tearWrite?.(key, body)
  }

  async truncate(key: string, share: number): Promise<void> {
    await this.#under.truncate?.(key, share)
  }

  async leaveLock(key: string): Promise<void> {
    await this.#under.leaveLock?.(key)
  }

  cache(store: Store = this.store): PageCache {
    return createCache({ store, clock: this.clock })
  }

  async begin(key: string, store: Store = this.store): Promise<Fill> {
    const begun = await store.begin(key)
    assert.equal(begun.kind, 'fill', `expected to begin a fill of "${key}"`)
    return begun as Fill
  }

  page(body: PageBody, tags: readonly string[] = []): NewPage {
    return { body, tags, renderBeganAtMs: this.clock.now() }
  }

  async keep(key: string, body: PageBody, tags: readonly string[] = []): Promise<void> {
    assert.equal(await (await this.begin(key)).publish(this.page(body, tags)), 'kept')
  }

  async body(key: string, store: Store = this.store): Promise<PageBody | undefined> {
    return (await store.get(key))?.body
  }

  async evict(selectors: SelectorInput | SelectorInput[], store: Store = this.store): Promise<Eviction> {
    const eviction = await store.evict(parseSelectors(selectors))
    assert.deepEqual(eviction.failures, [])
    return eviction
  }

  async keys(selector?: string): Promise<string[]> {
    const keys: string[] = []
    const parsed = selector === undefined ? undefined : parseSelectors(selector)[0]
    for await (const key of this.store.keys(parsed)) keys.push(key)
    return keys.sort()
  }

  async strike(): Promise<void> {
    for (const actor of this.#actors) await actor.kill()
    for (const other of this.#others) await other.close()
    await this.store.close()
    await this.#under.dispose?.()
  }

  #actor(hasFewFiles: boolean): Actor {
    assert.ok(this.#under.process, 'the store under test names no process')
    const actor = new Actor(this.#under.process, this.patienceMs, hasFewFiles)
    this.#actors.push(actor)
    return actor
  }

  #reasonWithout(need: Need): string | undefined {
    if (need === 'ulimit') return process.platform === 'win32' ? 'this machine has no ulimit' : undefined
    if (need === 'isSharedByProcesses' || need === 'canList' || need === 'isDurable' || need === 'keepsEvicted') {
      return this.store.capabilities[need] ? undefined : `its capability ${need} is false`
    }
    return this.#under[need] === undefined ? `its create() gives no "${need}"` : undefined
  }
}

/** What `answer` resolves to; fails when that takes longer. */
export async function within<T>(patienceMs: number, answer: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `expected that ${what} within ${patienceMs} ms`
    timer = setTimeout(() => reject(new assert.AssertionError({ message })), patienceMs)
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

/** Resolves once `condition` holds; fails after a generous deadline. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = Date.now() + 30_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadlineMs, `expected that ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A promise and the function that fulfils it. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => undefined
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}
