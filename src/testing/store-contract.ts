/**
 * The contract of stores: one test for each sentence of the port (core/store.ts), and a hostile chapter.
 *
 * It knows no test runner: hand it yours. What a store cannot do is read from its capabilities; any other
 * exemption needs the test's title *and* a reason, and a title that does not exist throws.
 */
import type { Store } from '../core/store.js'
import { type ContractTest, Stage } from './contract/contract-test.js'
import { evictionTests } from './contract/evictions.js'
import { fillTests } from './contract/fills.js'
import { hostileTests } from './contract/hostile.js'
import { pageTests } from './contract/pages.js'
import { readThroughTests } from './contract/read-through.js'

/** The two functions of vitest, node:test, jest or mocha that are needed. */
export interface TestRunner {
  describe(title: string, body: () => void): unknown
  /** `skip` of what the body is handed is called for tests that a store's capabilities rule out. */
  it(title: string, body: (context?: { skip?(reason?: string): unknown }) => Promise<void>): unknown
}

export interface StoreUnderTest {
  readonly store: Store
  /** Another instance on the same pages, as another process has it; for stores that share. */
  another?(): Store
  /** Called after the store has been closed. */
  dispose?(): Promise<void> | void
}

export interface StoreContractOptions {
  /** Makes an empty store, for one test. */
  create(): Promise<StoreUnderTest> | StoreUnderTest
  /** Titles of tests that do not apply, each with the reason. */
  readonly exempt?: Readonly<Record<string, string>>
}

/**
 * Declares the contract's tests for one store.
 *
 * @example
 * // with the describe and it of vitest, node:test, jest or mocha
 * storeContract({ describe, it }, 'MemoryStore', { create: () => ({ store: new MemoryStore() }) })
 */
export function storeContract(runner: TestRunner, name: string, options: StoreContractOptions): void {
  const chapters: Record<string, readonly ContractTest[]> = {
    pages: pageTests,
    fills: fillTests,
    evictions: evictionTests,
    'read-through': readThroughTests,
    'hostile input': hostileTests,
  }
  const exempt = options.exempt ?? {}
  const titles = new Set(Object.values(chapters).flatMap((tests) => tests.map((test) => test.title)))
  for (const [title, reason] of Object.entries(exempt)) {
    if (!titles.has(title)) throw new TypeError(`The contract has no test "${title}" to exempt ${name} from`)
    if (reason.trim() === '') throw new TypeError(`Exempting ${name} from "${title}" needs a reason`)
  }
  runner.describe(`${name} keeps the contract of stores:`, () => {
    for (const [chapter, tests] of Object.entries(chapters)) {
      runner.describe(chapter, () => {
        for (const test of tests.filter((candidate) => !(candidate.title in exempt))) {
          runner.it(test.title, async (context) => {
            const stage = new Stage(await options.create())
            try {
              if (stage.canRun(test)) await test.run(stage)
              else context?.skip?.(`${name} has no ${test.needs}`)
            } finally {
              await stage.strike()
            }
          })
        }
      })
    }
  })
}
