/** A directory for each test, the stores on it, and short words for what tests do with them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PagekeepError, parseSelector, type SelectorInput } from 'pagekeep'
import { DiskStore, type DiskStoreOptions, type Files, systemFiles } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Eviction, Fill, GetOptions, KeptPage, NewPage, PageBody } from '../../../src/core/store.js'
import { useWholeSlices } from './whole-slices.js'

/** A store whose pages are small, and its disk local: it answers at once. */
export type PromptStore = { get(key: string, options?: GetOptions): KeptPage | undefined } & DiskStore

export class Stage {
  /** Does not exist until a store uses it. */
  directory = ''
  readonly faults: PagekeepError[] = []
  #parent = ''
  readonly #slices = useWholeSlices()
  #stores: DiskStore[] = []

  /** `base`: for tests that keep thousands of pages, a place that is fast. */
  constructor(base = tmpdir()) {
    beforeEach(() => {
      this.#parent = mkdtempSync(join(base, 'pagekeep-disk-'))
      this.directory = join(this.#parent, 'cache')
      this.faults.length = 0
    })
    afterEach(async () => {
      await Promise.all(this.#stores.map((store) => store.close()))
      this.#stores = []
      rmSync(this.#parent, { recursive: true, force: true })
    })
  }

  /** From here on evictions pause when they take long, as they do in production. */
  letPause(): void {
    this.#slices.letPause()
  }

  open(options: Partial<DiskStoreOptions> = {}): PromptStore {
    const store = new DiskStore({
      directory: this.directory,
      onFault: (error) => this.faults.push(error),
      ...options,
    }) as PromptStore
    this.#stores.push(store)
    return store
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }
}

export function page(body: PageBody, tags: readonly string[] = [], more: Partial<NewPage> = {}): NewPage {
  return { body, tags, renderBeganAtMs: Date.now(), ...more }
}

export function begin(store: DiskStore, key: string): Fill {
  const begun = store.begin(key)
  expect(begun.kind).toBe('fill')
  return begun as Fill
}

export function keep(store: DiskStore, key: string, body: PageBody = key, tags: readonly string[] = []): void {
  expect(begin(store, key).publish(page(body, tags))).toBe('kept')
}

export function evict(store: DiskStore, ...selectors: SelectorInput[]): Promise<Eviction> {
  return store.evict(selectors.map(parseSelector))
}

export async function keysOf(store: DiskStore, selector?: SelectorInput): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.keys(selector === undefined ? undefined : parseSelector(selector))) keys.push(key)
  return keys.sort()
}

type Call = keyof Files

/** The machine's calls, each announced to `before` first: to record, to fail (throw), or to slip something in. */
export function watched(before: (call: Call, args: readonly unknown[]) => void, files: Files = systemFiles): Files {
  return new Proxy(files, {
    get: (target, call: Call) => {
      const real = target[call] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        before(call, args)
        return real(...args)
      }
    },
  })
}

/** Makes `call` fail with `errno` where `path` occurs in one of its arguments; without `path`, always. */
export function failing(call: Call, errno: string, path = ''): Files {
  return watched((called, args) => {
    const isMeant = path === '' || args.some((arg) => typeof arg === 'string' && arg.includes(path))
    if (called === call && isMeant) throw systemError(errno)
  })
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
