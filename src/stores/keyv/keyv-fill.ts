/**
 * A fill of the Keyv store: the stamps and marks it got before the render, and what publish does with them.
 *
 * The order of reads and writes here is half of the proof at the head of stamps.ts; keyv-eviction.ts is
 * the other.
 */
import { PagekeepError } from '../../core/errors.js'
import type { Fill, FillState, NewPage } from '../../core/store.js'
import type { OpenFills, Token } from '../open-fills.js'
import { entryName, makeEntry, type Stamped, stampedOf, stampsOfParts } from './entry.js'
import type { ErrorWatch } from './error-watch.js'
import type { KeyvLike } from './keyv-like.js'
import { type Stamps, stampOfAllTags, stampOfTag, stampsAbove } from './stamps.js'
import type { TagMarkReader, TagMarks } from './tag-marks.js'

/** The parts of the store that a fill works with. */
export interface FillParts {
  readonly keyv: KeyvLike
  readonly stamps: Stamps
  readonly marks: TagMarkReader
  readonly watch: ErrorWatch
  readonly fills: OpenFills
  readonly ttlMs: number | undefined
}

export class KeyvFill implements Fill {
  readonly kind = 'fill'
  readonly #parts: FillParts
  readonly #token: Token
  readonly #names: readonly string[]
  readonly #stamps: readonly string[]
  readonly #marks: TagMarks
  #lineage = ''

  /** Resolves when everything is noted and the render may begin. */
  static async begin(parts: FillParts, token: Token): Promise<KeyvFill> {
    const names = stampsAbove(token.key)
    const [all = '', ...stamps] = await parts.stamps.readOrWrite([stampOfAllTags, ...names])
    return new KeyvFill(parts, token, names, stamps, await parts.marks.marksAt(all))
  }

  private constructor(parts: FillParts, token: Token, names: string[], stamps: string[], marks: TagMarks) {
    this.#parts = parts
    this.#token = token
    this.#names = names
    this.#stamps = stamps
    this.#marks = marks
  }

  async state(): Promise<FillState> {
    if (this.#token.isOver) return 'doomed'
    const [all, ...found] = await this.#parts.stamps.read([stampOfAllTags, ...this.#names])
    if (this.#token.isOver || found.some((stamp, index) => stamp !== this.#stamps[index])) return 'doomed'
    return all === this.#marks.all ? 'current' : 'unsure'
  }

  /**
   * Throws `store-failed` when the adapter fails or has lost the fill's stamps. `kept` means that the page
   * was readable once it was written.
   */
  async publish(page: NewPage): Promise<'kept' | 'doomed'> {
    const { stamps, marks, keyv, watch, fills, ttlMs } = this.#parts
    try {
      if (this.#token.isOver) return 'doomed'
      const tags = [...new Set(page.tags)]
      // First the tags' stamps, then the marks: an eviction writes them the other way round.
      const tagStamps = await stamps.readOrWrite(tags.map(stampOfTag))
      if (await marks.isTouched(this.#marks, tags)) return 'doomed'
      if (await this.#isOutdated([])) return 'doomed'
      const inherited = stampsOfParts(page.parts)
      if (inherited === undefined) return 'doomed'
      const tagged = tags.map((tag, index): Stamped => [tag, tagStamps[index] ?? ''])
      const entry = makeEntry(this.#token.key, page, { stamps: this.#stamps, tags: tagged, inherited })
      this.#lineage = JSON.stringify(stampedOf(entry))
      const isSet = await watch.during(() => keyv.set(entryName(this.#token.key), entry, ttlMs))
      if (isSet === false) throw this.#failed('Keyv answered that it did not')
      // An eviction meanwhile made the entry unreadable; this is only so that the answer is true.
      const tagsAndParts = [...tagged.map(([tag, stamp]): Stamped => [stampOfTag(tag), stamp]), ...inherited]
      return (await this.#isOutdated(tagsAndParts)) ? 'doomed' : 'kept'
    } finally {
      fills.close(this.#token)
    }
  }

  abandon(): void {
    this.#parts.fills.close(this.#token)
  }

  lineage(): string {
    return this.#lineage
  }

  /** Whether a stamp of the key, of its directories or one of these is no longer the one that was noted. */
  async #isOutdated(others: readonly Stamped[]): Promise<boolean> {
    const names = [...this.#names, ...others.map(([name]) => name)]
    const noted = [...this.#stamps, ...others.map(([, stamp]) => stamp)]
    const found = await this.#parts.stamps.read(names)
    if (this.#token.isOver || found.some((stamp, index) => stamp !== undefined && stamp !== noted[index])) return true
    const lost = names.find((_, index) => found[index] === undefined)
    if (lost !== undefined) {
      throw this.#failed(`the stamp "${lost}" is gone: the adapter drops entries (a size limit?), or cannot be reached`)
    }
    return false
  }

  #failed(reason: string): PagekeepError {
    const { key } = this.#token
    return new PagekeepError('store-failed', `Could not keep "${key}" in Keyv: ${reason}.`, { key, store: 'keyv' })
  }
}
