/** What a test of the contract is, and the stage it plays on. */
import assert from 'node:assert/strict'
import { createCache, type PageCache } from '../../core/cache.js'
import { parseSelectors, type SelectorInput } from '../../core/selector.js'
import type { Eviction, Fill, NewPage, PageBody, Store, StoreCapabilities } from '../../core/store.js'
import { FakeClock } from '../fake-clock.js'
import type { StoreUnderTest } from '../store-contract.js'

export interface ContractTest {
  /** A sentence of the port. */
  readonly title: string
  /** Runs only on stores that can do this. */
  readonly needs?: keyof StoreCapabilities | 'another'
  run(stage: Stage): Promise<void>
}

/** One store, and short words for what tests do with it. */
export class Stage {
  readonly store: Store
  readonly clock = new FakeClock()
  readonly #under: StoreUnderTest
  readonly #others: Store[] = []

  constructor(under: StoreUnderTest) {
    this.#under = under
    this.store = under.store
  }

  canRun(test: ContractTest): boolean {
    if (test.needs === undefined) return true
    return test.needs === 'another' ? this.#under.another !== undefined : this.store.capabilities[test.needs]
  }

  another(): Store {
    const other = this.#under.another?.()
    assert.ok(other, 'the store under test offers no second instance')
    this.#others.push(other)
    return other
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
    for (const other of this.#others) await other.close()
    await this.store.close()
    await this.#under.dispose?.()
  }
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
