/**
 * A small site on one directory: data with versions, renders that say which version they read, and an
 * auditor who knows how old a kept page may be. One of its two caches suffers faults, the other does not.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createCache, isPagekeepError, type PageCache, type PagekeepError, type SelectorInput } from 'pagekeep'
import { DiskStore, type DiskStoreOptions, systemFiles } from 'pagekeep/stores/disk'
import { expect } from 'vitest'
import { decodeBody } from '../../src/stores/disk/content-coding.js'
import { Layout } from '../../src/stores/disk/layout.js'
import { fastDirectory } from '../support/fast-directory.js'
import type { FaultyFiles } from './faulty-files.js'

// Thousands of directories are made and removed: in memory where the machine has a place for that.
const base = fastDirectory()

/** What may be asked for: plain text, text with tags, bytes that expire, and others in the same directories. */
export const keys = ['top.html', 'news/1.html', 'news/a/2.html', 'news/feed.bin'] as const
export type Key = (typeof keys)[number]

export class Site {
  readonly directory: string
  readonly faulty: FaultyFiles
  /** Suffers. */
  cache: PageCache
  /** Another process, with nothing wrong. */
  readonly other: PageCache
  /** Everything that was reported: error events, background faults, evictions that rejected. */
  readonly reports: PagekeepError[] = []
  /** Whether an eviction that failed is taken for done: for showing that the audit would notice. */
  isCredulous = false
  /** Whether a page that is asked for and not kept must have been reported: nothing but faults can be the reason. */
  isKeeping = false
  readonly #parent: string
  readonly #options: Partial<DiskStoreOptions>
  readonly #layout: Layout
  readonly #stores: DiskStore[] = []
  readonly #version = new Map<Key, number>()
  /** No page older than this may be kept. */
  readonly #oldest = new Map<Key, number>()
  readonly #repeats: { readonly selector: SelectorInput | SelectorInput[]; readonly touched: readonly Key[] }[] = []
  #isClosed = false
  #gate: Promise<void> | undefined
  #open: () => void = () => undefined

  constructor(faulty: FaultyFiles, options: Partial<DiskStoreOptions> = {}) {
    this.faulty = faulty
    this.#parent = mkdtempSync(join(base, 'pagekeep-anomaly-'))
    this.directory = join(this.#parent, 'cache')
    this.#options = options
    this.#layout = new Layout(this.directory, options.coding)
    this.other = this.#cacheOn({})
    this.cache = this.#cacheOn({ files: faulty.files })
  }

  /** Whether pages may go though nobody evicted them. */
  get isLimited(): boolean {
    const { maxBytes, maxFiles, minFreeBytes } = this.#options
    return maxBytes !== undefined || maxFiles !== undefined || minFreeBytes !== undefined
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts)
  }

  /** Renders wait until `release`. */
  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  release(): void {
    this.#open()
    this.#gate = undefined
  }

  /** Asks for a page; it must be answered, and no older than what was promised when it was asked for. */
  async ask(key: Key, cache = this.cache, started: () => void = () => undefined): Promise<void> {
    const promised = this.#oldest.get(key) ?? 0
    const tags = key === 'top.html' ? [] : [`tag of ${key}`, 'news']
    const render = async () => {
      const version = this.#version.get(key) ?? 0
      started()
      await this.#gate
      return bodyOf(key, version)
    }
    const isToBeKept = this.isKeeping && this.#gate === undefined && !this.isLimited && !this.#isClosed
    const reports = this.reports.length
    const body = await cache.getOrRender(key, render, { tags, ...(key === 'news/feed.bin' && { ttlMs: 3_600_000 }) })
    expect(versionOf(key, body), `${key}: the page that was answered`).toBeGreaterThanOrEqual(promised)
    if (!isToBeKept || this.reports.length > reports) return
    expect(existsSync(this.#layout.page(key)), `${key}: it is kept, or it is reported why not`).toBe(true)
  }

  /** As `ask`, by a caller who takes a page that was evicted, for a while: its age is not judged. */
  async askShown(key: Key, cache = this.cache): Promise<void> {
    const render = () => bodyOf(key, this.#version.get(key) ?? 0)
    versionOf(key, await cache.getOrRender(key, render, { showEvictedMs: 60_000 }))
  }

  /** Asks for a page that is made of another, which must be answered, and no older than what was promised of that. */
  async askMadeOf(part: Key, cache = this.cache): Promise<void> {
    const promised = this.#oldest.get(part) ?? 0
    const render = () => bodyOf(part, this.#version.get(part) ?? 0)
    const body = await cache.getOrRender(outerOf(part), () => cache.getOrRender(part, render))
    expect(versionOf(part, body), `the page made of ${part}`).toBeGreaterThanOrEqual(promised)
  }

  /** As `ask`, and resolves when its render has begun; the answer is awaited by `landed`. */
  async begin(key: Key, cache = this.cache): Promise<() => Promise<void>> {
    let answer: Promise<void> = Promise.resolve()
    await new Promise<void>((resolve, reject) => {
      answer = this.ask(key, cache, resolve)
      answer.then(resolve, reject)
    })
    return () => answer
  }

  /** The data of `touched` change, and `selector` is evicted. Done, it promises; rejected, it must be repeated. */
  async evict(selector: SelectorInput | SelectorInput[], touched: readonly Key[], cache = this.cache): Promise<void> {
    for (const key of touched) this.#version.set(key, (this.#version.get(key) ?? 0) + 1)
    const versions = touched.map((key) => [key, this.#version.get(key) ?? 0] as const)
    try {
      await cache.evict(selector)
      for (const [key, version] of versions) this.#oldest.set(key, version)
    } catch (thrown) {
      this.report(thrown, 'evict-failed')
      if (this.isCredulous) for (const [key, version] of versions) this.#oldest.set(key, version)
      this.#repeats.push({ selector, touched })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.attempt(() => this.cache.close())
  }

  /** As when its process has ended, and another begins. */
  async restart(): Promise<void> {
    await this.close()
    this.cache = this.#cacheOn({ files: this.faulty.files })
    this.#isClosed = false
  }

  /** Any other act of the store that a fault may make fail. */
  async attempt(act: () => unknown): Promise<void> {
    try {
      await act()
    } catch (thrown) {
      this.report(thrown)
    }
  }

  report(thrown: unknown, code?: 'evict-failed'): void {
    expect(isPagekeepError(thrown, code), String((thrown as Error)?.stack ?? thrown)).toBe(true)
    this.reports.push(thrown as PagekeepError)
  }

  /** No kept page is older than promised: the files themselves, as a web server sees them. */
  audit(when: string): void {
    for (const key of keys) {
      for (const place of [key, outerOf(key)]) {
        const path = this.#layout.page(place)
        if (!systemFiles.lstat(path)?.isFile()) continue
        const body = decodeBody(this.#layout.coding, readFileSync(path), Number.POSITIVE_INFINITY) as Buffer
        const isFresh = versionOf(key, body) >= (this.#oldest.get(key) ?? 0)
        expect(isFresh, `${when}: "${place}" is kept, and stale`).toBe(true)
      }
    }
  }

  /** With the fault gone, what was rejected is repeated, and everything works. */
  async expectHealed(): Promise<void> {
    this.faulty.heal()
    this.release()
    if (this.#isClosed) this.cache = this.#cacheOn({})
    for (const { selector, touched } of this.#repeats.splice(0)) await this.evict(selector, touched)
    expect(this.#repeats, 'evictions repeated without a fault').toEqual([])
    this.audit('after the evictions were repeated')
    const before = this.reports.length
    await this.evict('**', keys)
    for (const key of keys) await this.ask(key)
    this.#expectKept(await keysOf(this.cache), [...keys].sort())
    for (const key of keys) {
      const body = await this.other.get(key)
      if (body !== undefined) expect(versionOf(key, body)).toBe(this.#version.get(key))
    }
    await this.evict({ tag: 'news' }, keys.slice(1))
    this.#expectKept(await keysOf(this.other), ['top.html'])
    expect(this.reports.slice(before), 'reports after it healed').toEqual([])
  }

  /** Every store closed and one opened after them: nothing of ours is left but pages. */
  async expectClean(): Promise<void> {
    await Promise.all([this.cache.close(), this.other.close(), ...this.#stores.map((store) => store.close())])
    const last = new DiskStore({ directory: this.directory })
    last.get('top.html')
    await last.close()
    const { leases, temp, trash, compacting } = this.#layout
    for (const room of [leases, temp, trash, compacting]) expect(readdirSync(room), room).toEqual([])
    expect(readdirSync(this.directory).filter((name) => name.startsWith('.pagekeep-'))).toEqual([])
  }

  async remove(): Promise<void> {
    this.faulty.heal()
    this.release()
    await Promise.allSettled([this.cache.close(), this.other.close(), ...this.#stores.map((store) => store.close())])
    rmSync(this.#parent, { recursive: true, force: true })
  }

  #expectKept(kept: readonly string[], expected: readonly string[]): void {
    if (this.isLimited) expect(expected).toEqual(expect.arrayContaining([...kept]))
    else expect(kept).toEqual(expected)
  }

  #cacheOn(options: Partial<DiskStoreOptions>): PageCache {
    const cache = createCache({ store: this.#storeOn(options) })
    cache.on('error', (error) => this.report(error))
    return cache
  }

  #storeOn(options: Partial<DiskStoreOptions>): DiskStore {
    const store = new DiskStore({ directory: this.directory, ...this.#options, ...options })
    this.#stores.push(store)
    return store
  }
}

export async function keysOf(cache: PageCache, selector?: SelectorInput): Promise<string[]> {
  const found: string[] = []
  for await (const key of cache.keys(selector)) found.push(key)
  return found.sort()
}

/** The key of a page that is made of another. */
function outerOf(part: Key): string {
  return `made/of ${part.replaceAll('/', ' ')}`
}

function bodyOf(key: Key, version: number): string | Uint8Array {
  const text = `${key}=${version}`
  return key === 'news/feed.bin' ? Buffer.from(text) : text
}

function versionOf(key: Key, body: string | Uint8Array): number {
  const [name, version = ''] = Buffer.from(body).toString().split('=')
  expect(name).toBe(key)
  return Number(version)
}
