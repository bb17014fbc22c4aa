/**
 * The site under stress: which pages there are, which rows each is made from, and which selectors a
 * change of a row must evict.
 *
 * - A *located* row is the home of four pages, which lie in its directory. Its change may be evicted by
 *   their keys, by subtree, by pattern, and (even rows) by tag: each of the four covers all its pages.
 * - A *found* row is on up to two thirds of all pages, on which ones depends on the version of their home
 *   row: nobody knows before the render has read it. Its change is evicted by tag.
 */
import { mixSeed, type Random } from './random.js'

export type Selectors = (string | { readonly tag: string })[]

const pagesPerHome = 4
const foundRows = 12

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

  /** The found rows that a page shows when its home row is at this version. */
  foundBy(page: number, homeVersion: number): number[] {
    const count = (page + homeVersion) % 3
    // Out of three that come into question: a store may evict what once had a tag, and pages are to be hit.
    const choose = (at: number) => (page + (mixSeed(page, homeVersion, at) % 3)) % foundRows
    return [...new Set(Array.from({ length: count }, (_, at) => this.homes + choose(at)))]
  }

  /** The tag of a row, or `undefined` for the located rows that have none. */
  tagOf(row: number): string | undefined {
    if (row < this.homes && row % 2 === 1) return undefined
    // A long tag, so that logs of tags grow fast, are rewritten and rotated many times in a run.
    return `row:${row}:${'-'.repeat(60)}`
  }

  /** One of the ways to evict every page that is made from `row`. */
  selectorsOf(row: number, random: Random): Selectors {
    const tag = this.tagOf(row)
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
