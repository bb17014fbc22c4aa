/**
 * How a store answers `get`: from the memory of this process where one `lstat` says that the page is unchanged,
 * else from the disk, at once if the page is small. Decision 0016.
 */
import type { Awaitable, KeptPage } from '../../core/store.js'
import type { Disk } from './disk.js'
import { type Copy, HotCopies } from './hot-copies.js'
import { withoutPart } from './parts.js'
import { type FilePage, readPageLater, readPageNow } from './read-page.js'

/** Larger pages are read on a thread of the pool and decoded in slices: they would hold up the event loop. */
export const largeBytes = 256 * 1024

export interface PageReaderOptions {
  /** `0`: no copies are kept. */
  readonly hotBytes: number
  readonly io: 'sync' | 'async'
}

export class PageReader {
  readonly #disk: Disk
  readonly #isSlow: boolean
  readonly #hot: HotCopies | undefined

  constructor(disk: Disk, { hotBytes, io }: PageReaderOptions) {
    this.#disk = disk
    this.#isSlow = io === 'async'
    this.#hot = hotBytes === 0 ? undefined : new HotCopies(hotBytes)
  }

  /** What may still be the page of `key`: for `read`. */
  find(key: string): Copy | undefined {
    return this.#hot?.find(key)
  }

  /** The page of `key`, which must have been checked, as evictions by anybody have left it. `copy` is from `find`. */
  read(key: string, copy: Copy | undefined): Awaitable<KeptPage | undefined> {
    if (this.#isSlow) return this.#readLater(key, copy)
    if (copy !== undefined && this.#hot?.confirm(key, copy, this.#disk.files.lstat(this.#disk.layout.page(key)))) {
      return copy.page
    }
    const beganAtMs = this.#disk.files.monotonicMs()
    const read = readPageNow(this.#disk, key, largeBytes)
    return read === 'large' ? this.#readLater(key, undefined) : this.#offer(key, read, beganAtMs)
  }

  close(): void {
    this.#hot?.clear()
  }

  async #readLater(key: string, copy: Copy | undefined): Promise<KeptPage | undefined> {
    const { files, layout } = this.#disk
    if (copy !== undefined && this.#hot?.confirm(key, copy, await files.lstatLater(layout.page(key)))) return copy.page
    const beganAtMs = files.monotonicMs()
    return this.#offer(key, await readPageLater(this.#disk, key), beganAtMs)
  }

  #offer(key: string, read: FilePage | undefined, beganAtMs: number): KeptPage | undefined {
    if (read === undefined) return undefined
    const { stats, bytes } = read
    const page = read.page.part === undefined ? read.page : withoutPart(read.page)
    this.#hot?.offer(key, { page, bytes }, stats, { beganAtMs, endedAtMs: this.#disk.files.monotonicMs() })
    return page
  }
}
