/**
 * What a fill notes before its render so that it can tell at publish whether one of its tags was evicted
 * meanwhile: the stamp of all tags, and those of 256 buckets that tags are spread over. Why that is enough
 * is at the head of stamps.ts.
 *
 * A bucket that was never evicted has no stamp, and none is written for it: for its tags the stamp of all
 * tags decides. Price: an eviction of any tag during a render dooms every page whose tags are in such
 * buckets, and one in 256 of the others.
 */
import { createHash } from 'node:crypto'
import { type Stamps, stampOfAllTags } from './stamps.js'

const buckets = Array.from({ length: 256 }, (_, index) => `b/${index}`)

export function bucketOf(tag: string): string {
  return `b/${createHash('sha1').update(tag).digest()[0]}`
}

/** As a fill noted them. */
export interface TagMarks {
  readonly all: string
  readonly byBucket: ReadonlyMap<string, string | undefined>
}

export class TagMarkReader {
  readonly #stamps: Stamps
  #latest: { readonly all: string; readonly marks: Promise<TagMarks> } | undefined

  constructor(stamps: Stamps) {
    this.#stamps = stamps
  }

  /**
   * The marks that belong to this stamp of all tags. While it is the same, no tag was evicted and the
   * buckets are not read again. Old marks are never unsafe: they doom too much.
   */
  marksAt(all: string): Promise<TagMarks> {
    if (this.#latest?.all === all) return this.#latest.marks
    const marks = this.#read(all)
    const latest = { all, marks }
    this.#latest = latest
    marks.catch(() => this.#forget(latest))
    return marks
  }

  /** Whether a tag may have been evicted since `marks` were noted. Ask after the tags' own stamps were read. */
  async isTouched(marks: TagMarks, tags: readonly string[]): Promise<boolean> {
    if (tags.length === 0) return false
    const mine = [...new Set(tags.map(bucketOf))]
    const [all, ...found] = await this.#stamps.read([stampOfAllTags, ...mine])
    const isTouched = mine.some((bucket, index) => {
      const noted = marks.byBucket.get(bucket)
      return noted === undefined ? found[index] !== undefined || all !== marks.all : found[index] !== noted
    })
    // They may have been noted in the middle of an eviction; the next fill shall look anew.
    if (isTouched) this.#latest = undefined
    return isTouched
  }

  async #read(all: string): Promise<TagMarks> {
    const stamps = await this.#stamps.read(buckets)
    return { all, byBucket: new Map(buckets.map((bucket, index) => [bucket, stamps[index]])) }
  }

  #forget(latest: object): void {
    if (this.#latest === latest) this.#latest = undefined
  }
}
