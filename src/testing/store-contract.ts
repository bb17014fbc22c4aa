/**
 * The contract of stores: one test for each sentence of the port (core/store.ts), and hostile chapters.
 *
 * It knows no test runner: hand it yours. What a store cannot do is read from its capabilities, and what
 * cannot be done to it from the hooks that `create` gives: such tests are skipped, with the reason. Any other
 * exemption needs the test's title *and* a reason, and a title that does not exist throws.
 */
import type { Awaitable, Store } from '../core/store.js'
import { type ContractTest, Stage } from './contract/contract-test.js'
import { damageTests } from './contract/damage.js'
import { evictionTests } from './contract/evictions.js'
import { fillTests } from './contract/fills.js'
import { hostileTests } from './contract/hostile.js'
import { pageTests } from './contract/pages.js'
import { partTests } from './contract/parts.js'
import { processTests } from './contract/processes.js'
import { readThroughTests } from './contract/read-through.js'
import { softEvictionTests } from './contract/soft-evictions.js'

/** The two functions of vitest, node:test, jest or mocha that are needed. */
export interface TestRunner {
  describe(title: string, body: () => void): unknown
  /** `skip` of what the body is handed is called, with the reason, for tests that do not apply to a store. */
  it(title: string, body: (context?: { skip?(reason?: string): unknown }) => Promise<void>): unknown
}

/**
 * A store, and what can be done to it from outside. Each hook but `store` is optional: tests that need one
 * that is absent are skipped. Give every hook that your store has an answer to.
 */
export interface StoreUnderTest {
  readonly store: Store
  /** Another instance on the same pages, as another process has it; for stores that share. */
  another?(): Store
  /** Leaves what a process leaves that dies while it writes `body` as the page of `key`: about half of it. */
  tearWrite?(key: string, body: string): Awaitable<void>
  /** Cuts what is kept of the page of `key`, as it lies on the medium, to this share (0 to 1) of its length. */
  truncate?(key: string, share: number): Awaitable<void>
  /** Leaves what a process leaves that is killed while it renders `key`: its lock. For stores that have locks. */
  leaveLock?(key: string): Awaitable<void>
  /** How another process opens the store on the same pages. For stores whose pages processes share. */
  readonly process?: StoreProcess
  /** Called after the store has been closed. */
  dispose?(): Awaitable<void>
}

/** A process on the store: killed, exhausted, and asked while others evict. */
export interface StoreProcess {
  /** The path of a program that calls `runStoreProcess(open)`. */
  readonly program: string
  /** What `open` is given: a directory, an address, JSON. */
  readonly argument: string
  /** For node, such as `['--import', 'tsx']` where the program is TypeScript. Default: none. */
  readonly execArgv?: readonly string[]
}

export interface StoreContractOptions {
  /** Makes an empty store, for one test. */
  create(): Awaitable<StoreUnderTest>
  /** Titles of tests that do not apply, each with the reason. */
  readonly exempt?: Readonly<Record<string, string>>
  /**
   * How long the hostile chapters wait for an answer, in milliseconds, before they call it none. Default
   * 30,000: a store may take some time to notice that a process is dead. Give your runner a longer time.
   */
  readonly patienceMs?: number
}

/**
 * Declares the contract's tests for one store.
 *
 * @example
 * // with the describe and it of vitest, node:test, jest or mocha
 * storeContract({ describe, it }, 'MemoryStore', { create: () => ({ store: new MemoryStore() }) })
 *
 * @example
 * // a store whose pages processes share: give it a program of two lines, see runStoreProcess()
 * storeContract({ describe, it }, 'MyStore', {
 *   create() {
 *     const directory = mkdtempSync('/tmp/my-store-')
 *     const open = () => new MyStore({ directory })
 *     return {
 *       store: open(),
 *       another: open,
 *       truncate: (key, share) => truncateSync(`${directory}/${key}`, share * statSync(`${directory}/${key}`).size),
 *       process: { program: './my-store-process.js', argument: directory },
 *       dispose: () => rmSync(directory, { recursive: true }),
 *     }
 *   },
 * })
 */
export function storeContract(runner: TestRunner, name: string, options: StoreContractOptions): void {
  const chapters: Record<string, readonly ContractTest[]> = {
    pages: pageTests,
    fills: fillTests,
    evictions: evictionTests,
    parts: partTests,
    'soft evictions': softEvictionTests,
    'read-through': readThroughTests,
    'hostile input': hostileTests,
    'hostile surroundings': damageTests,
    'several processes': processTests,
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
            const stage = new Stage(await options.create(), options.patienceMs ?? 30_000)
            try {
              const missing = stage.missing(test)
              if (missing === undefined) await test.run(stage)
              else context?.skip?.(`Does not apply to ${name}: ${missing}`)
            } finally {
              await stage.strike()
            }
          })
        }
      })
    }
  })
}
