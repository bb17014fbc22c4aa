/**
 * Where everything lies. One directory on one mount, for `rename` and `link` do not cross mounts:
 *
 *   <root>/daily/2020/01/08.daily.head    a page, at its key
 *   <root>/.pagekeep/leases/              fills in flight and locks (lease-name.ts)
 *                    tags/000 … tags/fff  which key has which tag (tag-index.ts)
 *                    tags/.whole          every kept page is in them: what was kept with other logs is gone
 *                    compacting/          tag buckets being rewritten
 *                    evictlog             every evicted tag (eviction-log.ts)
 *                    parts                there are pages that are made of others (parts.ts)
 *                    meta/daily/.page     the record of a page that is not plain text (page-record.ts)
 *                    asides/              evicted pages that may be shown for a while (asides.ts)
 *                    trash/               directories renamed away, being deleted (trash.ts)
 *                    lru/                 which pages were kept when, if there is a size limit (publish-log.ts)
 *                    temp/                files being written before they are renamed
 *                    boot                 which boot of the machine the pages are of (restart.ts)
 *                    state/cursor         texts of invalidators
 *                    journal/             what became of pages, for people who ask (journal.ts)
 *
 * No key has a segment that starts with a dot, so no page can reach `.pagekeep`, nor a page's record
 * (`.page`) the directory of others (`page/`).
 *
 * Pages that are kept in a content coding lie at `<key>.gz` or `<key>.br`, all of them, and then the directory of
 * leases and the mark of whole tags have that suffix too (`leases.gz`, `tags/.whole.gz`). So a process that takes
 * the directory for one of another coding has no place for a token, and the look with which its next eviction
 * begins finds none: it cannot go on without being told (settle-coding.ts). This file alone makes names of keys and
 * keys of names.
 *
 * All of it may be removed by hand at any time. With `.pagekeep`, `tags/`, `compacting/` or `state/` goes the
 * knowledge of which eviction must find which page, so the next preparation, or the first eviction of a tag
 * or fill with tags to notice, evicts every page. A directory that has files and no `.pagekeep` is refused:
 * it may be something else altogether. Only single logs in `tags/` must not be removed: a missing one is
 * not told from one that nobody has written yet.
 */
import { resolve } from 'node:path'
import { type ContentCoding, contentCodings, suffixes } from './content-coding.js'

const leasesName = 'leases'
const markerName = '.whole'

export class Layout {
  readonly root: string
  readonly home: string
  readonly tags: string
  readonly compacting: string
  readonly evictlog: string
  readonly parts: string
  readonly meta: string
  readonly asides: string
  readonly trash: string
  readonly temp: string
  readonly lru: string
  readonly state: string
  readonly boot: string
  #coding: ContentCoding = 'identity'
  #suffix = ''
  #leases = ''
  #tagMarker = ''

  constructor(directory: string, coding: ContentCoding = 'identity') {
    this.root = resolve(directory)
    this.home = `${this.root}/.pagekeep`
    this.tags = `${this.home}/tags`
    this.compacting = `${this.home}/compacting`
    this.evictlog = `${this.home}/evictlog`
    this.parts = `${this.home}/parts`
    this.meta = `${this.home}/meta`
    this.asides = `${this.home}/asides`
    this.trash = `${this.home}/trash`
    this.temp = `${this.home}/temp`
    this.lru = `${this.home}/lru`
    this.state = `${this.home}/state`
    this.boot = `${this.home}/boot`
    this.use(coding)
  }

  /** What the pages lie in. */
  get coding(): ContentCoding {
    return this.#coding
  }

  get leases(): string {
    return this.#leases
  }

  get tagMarker(): string {
    return this.#tagMarker
  }

  /** From now on pages lie in this coding: what the directory says has become known, or has changed. */
  use(coding: ContentCoding): void {
    this.#coding = coding
    this.#suffix = suffixes[coding]
    this.#leases = this.leasesOf(coding)
    this.#tagMarker = this.markerOf(coding)
  }

  leasesOf(coding: ContentCoding): string {
    return `${this.home}/${leasesName}${suffixes[coding]}`
  }

  markerOf(coding: ContentCoding): string {
    return `${this.tags}/${markerName}${suffixes[coding]}`
  }

  /** The directories that must exist before the first fill; `meta`, `asides` and `lru` are made as they are needed. */
  get directories(): readonly string[] {
    return [this.home, this.leases, this.tags, this.compacting, this.trash, this.temp, this.state]
  }

  /** The file of the page of `key`. */
  page(key: string): string {
    return `${this.root}/${key}${this.#suffix}`
  }

  /** The key whose page a file at `path`, below the root or one of its directories, is; `undefined`: it is no page. */
  keyAt(path: string): string | undefined {
    if (this.#suffix === '') return path
    return path.endsWith(this.#suffix) ? path.slice(0, -this.#suffix.length) : undefined
  }

  /** Whatever lies at `path` below the root: a directory of pages, which has the name that it has in keys, or a file of others. */
  place(path: string): string {
    return `${this.root}/${path}`
  }

  record(key: string): string {
    return `${this.meta}/${recordName(key)}`
  }
}

/** Where a record lies in the directory of records. */
export function recordName(key: string): string {
  const cut = key.lastIndexOf('/') + 1
  return `${key.slice(0, cut)}.${key.slice(cut)}`
}

/** The codings that have a place for leases in `.pagekeep`, where these names are: one, unless somebody was there by hand. */
export function codingsByLeases(names: readonly string[]): ContentCoding[] {
  return contentCodings.filter((coding) => names.includes(leasesName + suffixes[coding]))
}

/** The codings for which `tags/`, with these names in it, is said to be whole. */
export function codingsByMarker(names: readonly string[]): ContentCoding[] {
  return contentCodings.filter((coding) => names.includes(markerName + suffixes[coding]))
}
