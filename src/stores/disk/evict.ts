/**
 * Evictions: first doom every fill in flight that is touched, then remove the pages. In that order: a fill
 * that escaped the dooming has renamed its page into place before, where the removal finds it.
 *
 * A tag is appended to the eviction log before its registrations are read (eviction-log.ts says why).
 * Removing is idempotent; what is already gone is no failure, and what cannot be removed stops nothing.
 */
import type { PatternSelector, Selector } from '../../core/selector.js'
import type { Eviction } from '../../core/store.js'
import { partTagsTouchedBy } from '../part-tags.js'
import { type Disk, Slices } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { type Doomed, doom } from './doom.js'
import type { EvictionLog } from './eviction-log.js'
import { ofTheFileSystem } from './forget-pages.js'
import { removeRecord } from './page-record.js'
import { hasParts } from './parts.js'
import { isWhole, type TagIndex } from './tag-index.js'
import { Tally } from './tally.js'
import type { Discarded, Trash } from './trash.js'
import { walk } from './walk.js'

export interface EvictorParts {
  readonly disk: Disk
  readonly log: EvictionLog
  readonly tags: TagIndex
  readonly trash: Trash
  /** Prepares the directory again, which evicts every page when their tags are lost. Throws when it cannot. */
  readonly prepareAgain: () => void
}

export class Evictor {
  readonly #parts: EvictorParts

  constructor(parts: EvictorParts) {
    this.#parts = parts
  }

  async evict(selectors: readonly Selector[]): Promise<Eviction> {
    const tally = new Tally()
    const slices = new Slices()
    await this.#evict(selectors, tally, slices)
    // After the pages are removed: parts.ts says why.
    const implied = partTagsTouchedBy(selectors)
    if (implied.length > 0 && hasParts(this.#parts.disk)) await this.#evict(implied, tally, slices)
    return tally
  }

  async #evict(selectors: readonly Selector[], tally: Tally, slices: Slices): Promise<void> {
    const isLogged = this.#logTags(selectors)
    // Before the registrations are read: a fill that escapes this has registered its tags, and is found below.
    if (!isLogged) this.#doom({ keys: new Map(), patterns: [], all: selectors[0] }, selectors, tally)
    const keys = new Map<string, Selector>()
    let areTagsLost = false
    for (const selector of selectors) {
      if (selector.kind === 'key') keys.set(selector.key, selector)
      if (selector.kind !== 'tag') continue
      try {
        for (const key of this.#parts.tags.keysOf(selector.tag)) {
          keys.set(key, selector)
          if (slices.isFull()) await slices.pause()
        }
      } catch (thrown) {
        if (errnoOf(thrown) === 'ENOENT') areTagsLost = true
        else tally.fail(selector, selector.text, thrown)
      }
    }
    this.#checkTags(selectors, areTagsLost, tally)
    const patterns = selectors.filter((selector) => selector.kind === 'pattern')
    this.#doom({ keys, patterns, all: undefined }, selectors, tally)
    for (const [key, selector] of keys) {
      this.#removePage(selector, key, tally)
      if (slices.isFull()) await slices.pause()
    }
    for (const pattern of patterns) {
      try {
        if (pattern.isSubtree) await this.#removeSubtree(pattern, tally, slices)
        else await this.#removeMatching(pattern, pattern.directory, tally, slices)
      } catch (thrown) {
        tally.fail(pattern, pattern.text, thrown)
      }
    }
  }

  /** Where somebody removed the registrations by hand, they cannot tell what to evict: everything is. */
  #checkTags(selectors: readonly Selector[], areLost: boolean, tally: Tally): void {
    const byTag = selectors.find((selector) => selector.kind === 'tag')
    if (byTag === undefined) return
    try {
      if (areLost || !isWhole(this.#parts.disk)) this.#parts.prepareAgain()
    } catch (thrown) {
      tally.fail(byTag, byTag.text, thrown)
    }
  }

  #doom(doomed: Doomed, selectors: readonly Selector[], tally: Tally): void {
    try {
      doom(this.#parts.disk, doomed, tally)
    } catch (thrown) {
      // The pages are removed all the same; but the eviction is not done.
      for (const selector of selectors) tally.fail(selector, selector.text, thrown)
    }
  }

  /** `false` when fills in flight cannot learn of the tags: then all of them must be doomed. */
  #logTags(selectors: readonly Selector[]): boolean {
    const tags = selectors.filter((selector) => selector.kind === 'tag').map((selector) => selector.tag)
    if (tags.length === 0) return true
    try {
      this.#parts.log.append(tags)
      return true
    } catch (thrown) {
      this.#parts.disk.fault(diskError('write the eviction log, so every render in flight is doomed', thrown))
      return false
    }
  }

  /** Removes whatever lies at the page's place, then its record. */
  #removePage(selector: Selector, key: string, tally: Tally): void {
    const { disk } = this.#parts
    const path = disk.layout.page(key)
    try {
      const stats = disk.files.lstat(path)
      if (stats?.isDirectory()) return
      if (stats !== undefined) {
        disk.files.unlink(path)
        if (stats.isFile()) tally.remove(key)
      }
      removeRecord(disk, key)
    } catch (thrown) {
      if (!isAbsence(thrown)) tally.fail(selector, key, thrown)
    }
  }

  async #removeSubtree(selector: PatternSelector, tally: Tally, slices: Slices): Promise<void> {
    const { disk, trash } = this.#parts
    if (selector.directory !== '') {
      await this.#removeDirectory(selector, selector.directory, tally, slices)
    } else {
      for (const { path, kind } of this.#entriesOfRoot(selector, tally)) {
        if (slices.isFull()) await slices.pause()
        if (kind === 'directory') await this.#removeDirectory(selector, path, tally, slices)
        else this.#removePage(selector, path, tally)
      }
    }
    try {
      trash.takeRecords(selector.directory)
    } catch (thrown) {
      // Records without pages are read by nobody.
      if (!isAbsence(thrown)) disk.fault(diskError(`remove the records of "${selector.text}"`, thrown))
    }
  }

  #entriesOfRoot(selector: PatternSelector, tally: Tally) {
    const { files, layout } = this.#parts.disk
    const failed = (_: string, thrown: unknown) => tally.fail(selector, selector.text, thrown)
    const found = [...walk(files, layout.root, '', { enters: () => false, failed })]
    return found.filter((entry) => !entry.isHidden)
  }

  /** Renames the directory away, and puts back what is not a page. */
  async #removeDirectory(selector: PatternSelector, directory: string, tally: Tally, slices: Slices): Promise<void> {
    const { disk, trash } = this.#parts
    const path = disk.layout.page(directory)
    const stats = disk.files.lstat(path)
    if (stats?.isSymbolicLink()) return this.#removePage(selector, directory, tally)
    if (!stats?.isDirectory()) return
    let taken: Discarded
    try {
      taken = trash.takePages(directory)
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT' && disk.files.lstat(path) === undefined) return
      // A mount point cannot be renamed (EBUSY), nor a directory onto another mount (EXDEV).
      return this.#removeMatching(selector, directory, tally, slices)
    }
    await trash.clear(taken, directory, (key) => tally.remove(key))
  }

  /** Walks and removes in place. A symbolic link on the way is removed, not followed: it may lead anywhere. */
  async #removeMatching(selector: PatternSelector, directory: string, tally: Tally, slices: Slices): Promise<void> {
    const { files, layout } = this.#parts.disk
    const found = walk(files, layout.root, directory, {
      enters: (below) => selector.mayReachInto(below),
      failed(below, thrown) {
        // Readable by root alone; a page that could not be evicted there could not have been kept there either.
        if (below !== ofTheFileSystem) tally.fail(selector, below, thrown)
      },
    })
    for (const { path, kind, isHidden } of found) {
      if (slices.isFull()) await slices.pause()
      if (isHidden || kind === 'directory') continue
      if (selector.matches(path) || (kind === 'link' && selector.mayReachInto(path))) {
        this.#removePage(selector, path, tally)
      }
    }
  }
}
