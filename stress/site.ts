/**
 * The site under stress: which pages there are, which rows each is made from, and which selectors a
 * change of a row must evict.
 *
 * - A *located* row is the home of four pages, which lie in its directory. Its change may be evicted by
 *   their keys, by subtree, by pattern, and (even rows) by tag: each of the four covers all its pages.
 * - A *found* row is on other pages with every version of their home row: nobody knows which before the
 *   render has read it. Its change is evicted by a tag, and after some versions the row has another tag: a
 *   store that remembers for long which page had which tag must not be saved by that.
 */
import { mixSeed, type Random } from './random.js'

export type Selectors = (string | { readonly tag: string })[]

const pagesPerHome = 4
const foundRows = 12
/** For how many versions a found row has one tag. */
const epochs = [1, 4, 64]

export class Site {
  readonly pages: number
  readonly homes: number
  readonly rows: number

  constructor(pages: number) {
    this.pages = pages
    this.homes = Math.ceil(pages / pagesPerHome)
    this.rows = this.homes + foundRows
  }

  keyOf(page: number): string {
    return `rows/${this.homeOf(page)}/${page}.html`
  }

  homeOf(page: number): number {
    return page % this.homes
  }

  /** One of the pages whose home is `row`, or any page for a row that is nobody's home. */
  pageFrom(row: number, random: Random): number {
    const page = row + this.homes * random.below(pagesPerHome)
    return row < this.homes && page < this.pages ? page : random.below(this.pages)
  }

  /** The found rows that a page shows when its home row is at this version: none, one or two. */
  foundBy(page: number, homeVersion: number): number[] {
    const count = (page + homeVersion) % 3
    const found = Array.from({ length: count }, (_, at) => this.homes + (mixSeed(page, homeVersion, at) % foundRows))
    return [...new Set(found)]
  }

  /** The tag of a row at a version, or `undefined` for the located rows that have none. */
  tagOf(row: number, version: number): string | undefined {
    if (row < this.homes && row % 2 === 1) return undefined
    const epoch = row < this.homes ? 0 : Math.floor(version / (epochs[row % epochs.length] ?? 1))
    // A long tag, so that logs of tags grow fast, are rewritten and rotated many times in a run.
    return `row:${row}:${epoch}:${'-'.repeat(60)}`
  }

  /** One of the ways to evict every page that is made from `row` at `version`, older ones being gone already. */
  selectorsOf(row: number, version: number, random: Random): Selectors {
    const tag = this.tagOf(row, version)
    const byTag: Selectors[] = tag === undefined ? [] : [[{ tag }]]
    if (row >= this.homes) return byTag[0] ?? []
    const subtree = random.isLess(0.03) ? 'rows/**' : `rows/${row}/**`
    return random.pick([this.#keysAt(row), [subtree], [`rows/${row}/*.html`], ...byTag])
  }

  #keysAt(home: number): string[] {
    const keys: string[] = []
    for (let page = home; page < this.pages; page += this.homes) keys.push(this.keyOf(page))
    return keys
  }
}
