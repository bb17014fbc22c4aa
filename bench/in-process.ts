/**
 * What one process pays for a page: hits from its memory and from the disk, fills, evictions, each beside the
 * plainest calls that do as much of it as can be done without a cache.
 */
import { existsSync, promises as fs, mkdirSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createCache, type PageCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { hitsOfPeers } from './peers/hits.js'
import type { Work } from './rounds.js'
import { type TextKind, textOf, texts } from './texts.js'

export interface Group {
  readonly title: string
  readonly works: readonly Work[]
  readonly inFlight?: number
}

const never = () => {
  throw new Error('the page should have been kept')
}

export class InProcess {
  readonly #home: string
  readonly #hot: PageCache
  /** On the same pages, without memory: each hit reads the file. */
  readonly #cold: PageCache
  readonly #memory = createCache({ store: new MemoryStore() })
  #turn = 0

  constructor(directory: string) {
    this.#home = mkdtempSync(path.join(directory, 'pagekeep-bench-'))
    const store = { directory: path.join(this.#home, 'pages') }
    mkdirSync(store.directory)
    this.#hot = createCache({ store: new DiskStore(store) })
    this.#cold = createCache({ store: new DiskStore({ ...store, hotBytes: 0 }) })
  }

  async hits(kind: TextKind, bytes: number, inFlight = 1, withPeers = false): Promise<Group> {
    const key = `hit/${kind}-${bytes}.html`
    const file = path.join(this.#home, 'pages', key)
    const text = textOf(kind, bytes)
    await this.#hot.getOrRender(key, () => text)
    // Two reads, more than a tick of the file system apart, bring a page into memory.
    for (let reads = 0; reads < 3; reads++) {
      await this.#hot.getOrRender(key, never)
      await setTimeout(30)
    }
    const peers = withPeers
      ? await hitsOfPeers({ onDisk: true, directory: path.join(this.#home, `peers-${kind}-${bytes}`), text })
      : []
    // A long text that is not ASCII comes in parts, of which V8 makes one when it is looked into (decision 0016).
    const lookInto = async () => ((await this.#cold.getOrRender(key, never)) as string).charCodeAt(bytes / 4)
    return {
      title: `hit, ${nameOf(bytes)}, ${kind}, ${inFlight} in flight`,
      inFlight,
      works: [
        { name: 'fs.promises.readFile utf8', run: () => fs.readFile(file, 'utf8') },
        { name: 'hot', run: () => this.#hot.getOrRender(key, never) },
        { name: 'cold', run: () => this.#cold.getOrRender(key, never) },
        ...(withPeers ? [{ name: 'cold, and looked into', run: lookInto }] : []),
        ...peers,
      ],
    }
  }

  async memoryHits(bytes: number, withPeers = false): Promise<Group> {
    const text = textOf('ASCII', bytes)
    await this.#memory.getOrRender('page', () => text)
    const map = new Map([['page', text]])
    return {
      title: `memory store hit, ${nameOf(bytes)}`,
      works: [
        { name: 'async function with Map.get', run: async () => map.get('page') },
        { name: 'memory store', run: () => this.#memory.getOrRender('page', never) },
        ...(withPeers
          ? await hitsOfPeers({ onDisk: false, directory: path.join(this.#home, 'peers-memory'), text })
          : []),
      ],
    }
  }

  fills(bytes: number): Group {
    const text = textOf('ASCII', bytes)
    const made: string[] = []
    const clear = () => {
      for (const file of made.splice(0)) if (existsSync(file)) unlinkSync(file)
    }
    const plain = async (name: string, write: (draft: string) => Promise<void>) => {
      const target = path.join(this.#home, 'pages', `${name}-${this.#turn++}.html`)
      made.push(target)
      await write(`${target}.tmp`)
      await fs.rename(`${target}.tmp`, target)
    }
    const fill = (tags: readonly string[]) => () => {
      const key = `filled-${this.#turn++}.html`
      made.push(path.join(this.#home, 'pages', key))
      return this.#hot.getOrRender(key, () => text, { tags })
    }
    return {
      title: `fill, ${nameOf(bytes)}`,
      works: [
        {
          name: 'open, write, rename (promises)',
          run: () => plain('plain', (draft) => fs.writeFile(draft, text)),
          clear,
        },
        { name: 'fill', run: fill([]), clear },
        { name: 'fill with two tags', run: fill(['port:1', 'category:2']), clear },
      ],
    }
  }

  /** Evictions of pages that are there; keeping them is not counted. */
  async evictions(): Promise<Group> {
    const keys = Array.from({ length: 16 }, (_, at) => `evicted/${at}.html`)
    const file = (at: number) => path.join(this.#home, 'pages', keys[at % 16] ?? '')
    const store = new DiskStore({ directory: path.join(this.#home, 'pages') })
    const keep = () => {
      for (const [at, key] of keys.entries()) {
        const fill = store.begin(key)
        if (fill.kind === 'fill') void fill.publish({ body: 'a page', tags: [`group:${at}`], renderBeganAtMs: 0 })
      }
    }
    keep()
    return {
      title: 'evict',
      works: [
        { name: 'fs.promises.unlink', run: () => fs.unlink(file(this.#turn++)).catch(() => undefined), clear: keep },
        { name: 'evict a key', run: () => this.#hot.evict(keys[this.#turn++ % 16] ?? ''), clear: keep },
        {
          name: 'evict a tag of one page',
          run: () => this.#hot.evict({ tag: `group:${this.#turn++ % 16}` }),
          clear: keep,
        },
      ],
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#hot.close(), this.#cold.close(), this.#memory.close()])
    rmSync(this.#home, { recursive: true, force: true })
  }
}

export const kinds = Object.keys(texts) as readonly TextKind[]

function nameOf(bytes: number): string {
  return `${Math.round(bytes / 1024)} KB`
}
