/**
 * How a store answers `get`: from the memory of this process where one `lstat` says that the page is unchanged,
 * else from the disk, at once if the page is small. Decision 0016.
 */
import type { Awaitable, GetOptions, KeptPage } from '../../core/store.js'
import { decodeLater, decodeText } from './decode-text.js'
import type { Disk } from './disk.js'
import { type Copy, HotCopies } from './hot-copies.js'
import { withoutPart } from './parts.js'
import { type FilePage, type ReadForm, readPageLater, readPageNow } from './read-page.js'

/** Larger pages are read on a thread of the pool and decoded in slices: they would hold up the event loop. */
export const largeBytes = 256 * 1024

/** Larger ones are read while they are sent, for who can do that: one in memory for each visitor would be many. */
const streamedBytes = 1024 * 1024

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

  /**
   * The page of `key`, which must have been checked, as evictions by anybody have left it. `copy` is from `find`. With
   * `asBytes` a text may stay in bytes; with `mayStream` a large page comes with a stream.
   */
  read(key: string, copy: Copy | undefined, { asBytes = false, mayStream = false }: GetOptions) {
    const form: ReadForm = { asBytes, streamFrom: mayStream ? streamedBytes : Number.POSITIVE_INFINITY }
    return this.#isSlow ? this.#readLater(key, copy, form) : this.#readNow(key, copy, form)
  }

  close(): void {
    this.#hot?.clear()
  }

  #readNow(key: string, copy: Copy | undefined, form: ReadForm): Awaitable<KeptPage | undefined> {
    if (copy !== undefined && this.#hot?.confirm(key, copy, this.#disk.files.lstat(this.#disk.layout.page(key)))) {
      return this.#given(key, copy, form)
    }
    const beganAtMs = this.#disk.files.monotonicMs()
    const read = readPageNow(this.#disk, key, { ...form, maxBytes: largeBytes })
    return read === 'large' ? this.#readLater(key, undefined, form) : this.#offer(key, read, beganAtMs)
  }

  async #readLater(key: string, copy: Copy | undefined, form: ReadForm): Promise<KeptPage | undefined> {
    const { files, layout } = this.#disk
    if (copy !== undefined && this.#hot?.confirm(key, copy, await files.lstatLater(layout.page(key)))) {
      return this.#given(key, copy, form)
    }
    const beganAtMs = files.monotonicMs()
    return this.#offer(key, await readPageLater(this.#disk, key, form), beganAtMs)
  }

  /** The page of a copy; one that was taken for who wants bytes becomes text for who wants that, and stays so. */
  #given(key: string, copy: Copy, { asBytes }: ReadForm): Awaitable<KeptPage> {
    const { page, isTextInBytes } = copy
    if (asBytes || !isTextInBytes) return page
    const bytes = page.body as Buffer
    const restated = (body: string): KeptPage => {
      const text = { ...page, body }
      this.#hot?.replace(key, copy, { page: text, isTextInBytes: false, bytes: bytes.length })
      return text
    }
    return bytes.length > largeBytes ? decodeLater(bytes).then(restated) : restated(decodeText(bytes))
  }

  #offer(key: string, read: FilePage | undefined, beganAtMs: number): KeptPage | undefined {
    if (read === undefined) return undefined
    if (read.page.streamed !== undefined) return withoutPart(read.page)
    const { stats, bytes, isTextInBytes } = read
    const page = read.page.part === undefined ? read.page : withoutPart(read.page)
    this.#hot?.offer(key, { page, bytes, isTextInBytes }, stats, {
      beganAtMs,
      endedAtMs: this.#disk.files.monotonicMs(),
    })
    return page
  }
}
