/**
 * Pages that other pages are made of.
 *
 * - A page that is kept as a part has its tags in its record, with where the eviction log ended when its fill
 *   began. Who asks for it as a part looks whether the log names one of these tags since: an eviction has
 *   appended it there, and may not have come to the page yet. What is appended later, the fill of the outer page
 *   finds at its publish, for that began before it asked.
 * - An eviction of a key or pattern knows no tags. It evicts the tags that stand for names (part-tags.ts) where
 *   the file `parts` lies in the store, and looks for that *after* it has removed its pages. Whoever asks for a
 *   part makes that file *before* it reads the page. So an eviction that finds no file has removed the page
 *   before anybody could read it as a part.
 */
import { LRUCache } from 'lru-cache'
import type { KeptPage } from '../../core/store.js'
import { tagsOfLineages, writeLineage } from '../part-tags.js'
import type { Disk } from './disk.js'
import { diskError } from './disk-error.js'
import type { EvictionLog, LogPosition } from './eviction-log.js'
import { openFlags } from './files.js'
import type { ReadPage } from './page-file.js'
import { readPage } from './read-page.js'

/** What the record of a part holds. */
export interface PartRecord {
  /** Its own tags and those it has inherited. */
  readonly tags: readonly string[]
  /** Which eviction log, and how long that was when the page's fill began. */
  readonly log: string
  readonly bytes: number
}

/** How many parts' places in the log are remembered, so that it is not read again and again from there. */
const maxProven = 10_000

export class Parts {
  readonly #disk: Disk
  readonly #log: EvictionLog
  /** Made when a part is first asked for: it takes its room at once, and most sites have no parts. */
  #proven: LRUCache<string, { readonly part: string; readonly bytes: number }> | undefined

  constructor(disk: Disk, log: EvictionLog) {
    this.#disk = disk
    this.#log = log
  }

  /** The page with its lineage; without one if it was not kept as a part, or an eviction may be about to remove it. */
  get(key: string): KeptPage | undefined {
    try {
      this.#announce()
    } catch (thrown) {
      throw diskError(`ask for "${key}" as a part of another page`, thrown, key)
    }
    const page = readPage(this.#disk, key)
    if (page?.part === undefined) return page
    const { part, ...rest } = page
    return this.#isCurrent(key, part) ? { ...rest, lineage: writeLineage(key, part.tags) } : rest
  }

  /** What the record of a part is to hold; `undefined` where the log has no name. */
  recordOf(position: LogPosition, tags: readonly string[]): PartRecord | undefined {
    const log = this.#log.nameOf(position)
    return log === undefined ? undefined : { tags, log, bytes: position.bytes }
  }

  #announce(): void {
    const { files, layout, fileMode } = this.#disk
    if (files.lstat(layout.parts) === undefined) files.close(files.open(layout.parts, openFlags.append, fileMode))
  }

  #isCurrent(key: string, part: PartRecord): boolean {
    const text = JSON.stringify(part)
    this.#proven ??= new LRUCache({ max: maxProven })
    const known = this.#proven.get(key)
    const from = known?.part === text ? known.bytes : part.bytes
    const position = this.#log.note()
    try {
      const isNamed = this.#log.namesAnyBetween({ ...position, bytes: from }, position.bytes, part.tags)
      const isCurrent = this.#log.nameOf(position) === part.log && !isNamed
      if (isCurrent) this.#proven.set(key, { part: text, bytes: position.bytes })
      return isCurrent
    } finally {
      this.#log.release(position)
    }
  }
}

/** Whether pages are made of others in this store; taken to be so where that cannot be seen. */
export function hasParts({ files, layout }: Disk): boolean {
  try {
    return files.lstat(layout.parts) !== undefined
  } catch {
    return true
  }
}

/** All tags of a page: its own, and those of its parts. */
export function allTags({ tags, parts }: { readonly tags: readonly string[]; readonly parts?: readonly string[] }) {
  return [...new Set([...tags, ...tagsOfLineages(parts)])]
}

/** The page as it is given to one who does not ask for a lineage. */
export function withoutPart({ part: _, ...page }: ReadPage): KeptPage {
  return page
}
