/**
 * A site of so many pages on a disk store of its own, for measuring what its size costs. As many directories
 * as there are pages in each (a million: a thousand of a thousand); pages of 2 KB; every page has one tag
 * that nine others have, in other directories.
 */
import { closeSync, lstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { createCache, type PageCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'

export const pagesPerTag = 10
const body = '<p>Ein Wort, ein Satz</p>\n'.repeat(79)

const readInto = Buffer.alloc(4096)

export class GrownSite {
  readonly pages: number
  readonly tags: number
  readonly #home: string
  readonly #directories: number
  readonly #store: DiskStore
  readonly #cache: PageCache

  constructor(pages: number, directory: string) {
    this.#directories = Math.max(1, Math.round(Math.sqrt(pages)))
    this.tags = Math.ceil(pages / pagesPerTag)
    this.pages = this.tags * pagesPerTag
    this.#home = mkdtempSync(path.join(directory, 'pagekeep-growth-'))
    this.#store = new DiskStore({ directory: path.join(this.#home, 'pages') })
    this.#cache = createCache({ store: this.#store })
  }

  /** Keeps every page once, through the store. */
  async grow(progress: (pages: number) => void): Promise<void> {
    for (let page = 0; page < this.pages; page++) {
      const fill = await this.#store.begin(this.#keyOf(page))
      if (fill.kind !== 'fill') throw new Error('nobody else is here')
      await fill.publish({ body, tags: [this.#tagOf(page)], renderBeganAtMs: Date.now() })
      if (page % 1000 === 0) await setImmediate()
      if (page % 100_000 === 0) progress(page)
    }
  }

  async hit(page: number): Promise<void> {
    await this.#cache.getOrRender(this.#keyOf(page), () => {
      throw new Error(`${this.#keyOf(page)} should have been kept`)
    })
  }

  /** What the system takes for a look at the file of a page and a read of it, with nothing of ours. */
  async readFile(page: number): Promise<void> {
    const file = `${this.#store.directory}/${this.#keyOf(page)}`
    lstatSync(file, { bigint: true })
    const fd = openSync(file, 'r')
    readSync(fd, readInto, 0, readInto.length, 0)
    closeSync(fd)
  }

  async fill(page: number): Promise<void> {
    let isRendered = false
    await this.#cache.getOrRender(this.#keyOf(page), (context) => {
      isRendered = true
      context.tag(this.#tagOf(page))
      return body
    })
    if (!isRendered) throw new Error(`${this.#keyOf(page)} should have been evicted`)
  }

  async evict(page: number): Promise<void> {
    const { removed } = await this.#cache.evict(this.#keyOf(page))
    if (removed !== 1) throw new Error(`${removed} pages were removed, not one`)
  }

  /** Returns how many pages were removed. */
  async evictTag(tag: number): Promise<number> {
    const { removed } = await this.#cache.evict({ tag: `group:${tag}` })
    return removed
  }

  /** The pages that have the tag. */
  pagesOf(tag: number): number[] {
    return Array.from({ length: pagesPerTag }, (_, at) => tag + at * this.tags)
  }

  async close(): Promise<void> {
    await this.#cache.close()
    rmSync(this.#home, { recursive: true, force: true })
  }

  #keyOf(page: number): string {
    return `ports/category-${page % this.#directories}/${page}.html`
  }

  #tagOf(page: number): string {
    return `group:${page % this.tags}`
  }
}
