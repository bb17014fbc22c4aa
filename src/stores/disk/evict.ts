/**
 * Evictions: first doom every fill in flight that is touched, then remove the pages. In that order: a fill
 * that escaped the dooming has renamed its page into place before, where the removal finds it.
 *
 * A tag is appended to the eviction log before its registrations are read (eviction-log.ts says why).
 * Removing is idempotent; what is already gone is no failure, and what cannot be removed stops nothing. A page
 * that was kept to be shown after its eviction is removed by renaming it aside (asides.ts), at the same moment.
 */
import { isEverything, type PatternSelector, type Selector } from '../../core/selector.js'
import type { Eviction } from '../../core/store.js'
import { partTagsTouchedBy } from '../part-tags.js'
import { type Asides, mayBeSetAside } from './asides.js'
import { type Disk, Slices } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { type Doomed, doom } from './doom.js'
import type { EvictionLog } from './eviction-log.js'
import { ofTheFileSystem } from './forget-pages.js'
import { recordName } from './layout.js'
import { hasRecords, removeRecord } from './page-record.js'
import { hasParts } from './parts.js'
import { isWhole, type TagIndex } from './tag-index.js'
import { Tally } from './tally.js'
import type { Discarded, RemovedPage, Trash } from './trash.js'
import { walk } from './walk.js'

export interface EvictorParts {
  readonly disk: Disk
  readonly log: EvictionLog
  readonly tags: TagIndex
  readonly trash: Trash
  readonly asides: Asides
  /** Prepares the directory again, which evicts every page when their tags are lost. Throws when it cannot. */
  readonly prepareAgain: () => void
}

/** One eviction under way. */
interface Work {
  readonly tally: Tally
  readonly slices: Slices
  /**
   * Whether pages have records at all: looked for once, after a page was removed. A record that is made later is of
   * a page that was not to be evicted.
   */
  hasRecords?: boolean
  /** Whether pages may have to be set aside: looked for once, before a page is removed. The same holds for one that comes later. */
  areAsidesUsed?: boolean
}

export class Evictor {
  readonly #parts: EvictorParts

  constructor(parts: EvictorParts) {
    this.#parts = parts
  }

  async evict(selectors: readonly Selector[]): Promise<Eviction> {
    const tally = new Tally()
    const slices = new Slices()
    await this.#evict(selectors, { tally, slices })
    const mayTouchParts = selectors.some(({ kind }) => kind !== 'tag')
    // After the pages are removed: parts.ts says why.
    if (mayTouchParts && hasParts(this.#parts.disk)) await this.#evict(partTagsTouchedBy(selectors), { tally, slices })
    return tally
  }

  async #evict(selectors: readonly Selector[], work: Work): Promise<void> {
    const { tally, slices } = work
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
      this.#removePage(selector, key, work)
      if (slices.isFull()) await slices.pause()
    }
    for (const group of byDirectory(patterns)) {
      const [first] = group
      try {
        if (first.isSubtree) await this.#removeSubtree(first, work)
        else await this.#removeMatching(group, first.directory, work)
      } catch (thrown) {
        for (const pattern of group) tally.fail(pattern, pattern.text, thrown)
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
  #removePage(selector: Selector, key: string, work: Work): void {
    const { disk, asides } = this.#parts
    const path = disk.layout.page(key)
    try {
      const stats = disk.files.lstat(path)
      if (stats?.isDirectory()) return
      if (stats !== undefined) {
        const isSetAside = mayBeSetAside(stats) && !isEverything(selector) && asides.take(key, path)
        if (!isSetAside) disk.files.unlink(path)
        if (stats.isFile()) work.tally.remove(key)
      }
    } catch (thrown) {
      if (!isAbsence(thrown)) {
        work.tally.fail(selector, key, thrown)
        return
      }
    }
    this.#removeRecord(selector, key, work)
  }

  /** The same of what was listed as a file a moment ago, without another look at it where none is needed. */
  #removeListed(selector: Selector, key: string, work: Work): void {
    const { disk, asides } = this.#parts
    work.areAsidesUsed ??= asides.areUsed()
    if (work.areAsidesUsed) {
      this.#removePage(selector, key, work)
      return
    }
    try {
      disk.files.unlink(disk.layout.page(key))
      work.tally.remove(key)
    } catch (thrown) {
      // Something else lies there now, or it cannot be removed: a look tells.
      if (!isAbsence(thrown)) {
        this.#removePage(selector, key, work)
        return
      }
    }
    this.#removeRecord(selector, key, work)
  }

  #removeRecord(selector: Selector, key: string, work: Work): void {
    const { disk } = this.#parts
    work.hasRecords ??= hasRecords(disk)
    try {
      if (work.hasRecords) removeRecord(disk, key)
    } catch (thrown) {
      if (!isAbsence(thrown)) work.tally.fail(selector, key, thrown)
    }
  }

  /** Removes what lies at `path`, a page or not: somebody else's file, a symbolic link. */
  #removeFile(selector: Selector, path: string, work: Work): void {
    const { files, layout } = this.#parts.disk
    const key = layout.keyAt(path)
    if (key !== undefined) {
      this.#removePage(selector, key, work)
      return
    }
    try {
      files.unlink(layout.place(path))
    } catch (thrown) {
      if (!isAbsence(thrown)) work.tally.fail(selector, path, thrown)
    }
  }

  async #removeSubtree(selector: PatternSelector, work: Work): Promise<void> {
    const { trash } = this.#parts
    const { tally, slices } = work
    if (selector.directory !== '') {
      const areRecordsTaken = await this.#removeDirectory(selector, selector.directory, work)
      if (!areRecordsTaken) trash.discard(this.#takeRecords(selector))
      return
    }
    for (const { path, kind } of this.#entriesOfRoot(selector, tally)) {
      if (slices.isFull()) await slices.pause()
      if (kind === 'directory') await this.#removeDirectory(selector, path, work)
      else this.#removeFile(selector, path, work)
    }
    trash.discard(this.#takeRecords(selector))
    try {
      trash.discard(trash.takeAsides())
    } catch (thrown) {
      if (!isAbsence(thrown)) tally.fail(selector, selector.text, thrown)
    }
  }

  #takeRecords({ directory, text }: PatternSelector): Discarded | undefined {
    const { disk, trash } = this.#parts
    try {
      return trash.takeRecords(directory)
    } catch (thrown) {
      // Records without pages are read by nobody.
      if (!isAbsence(thrown)) disk.fault(diskError(`remove the records of "${text}"`, thrown))
      return undefined
    }
  }

  #entriesOfRoot(selector: PatternSelector, tally: Tally) {
    const { files, layout } = this.#parts.disk
    const failed = (_: string, thrown: unknown) => tally.fail(selector, selector.text, thrown)
    const found = [...walk(files, layout.root, '', { enters: () => false, failed })]
    return found.filter((entry) => !entry.isHidden)
  }

  /**
   * Renames the directory away, and puts back what is not a page. Says whether the directory's records went with
   * it, as they do when the selector is of no more than this directory.
   */
  async #removeDirectory(selector: PatternSelector, directory: string, work: Work): Promise<boolean> {
    const { disk, trash } = this.#parts
    const path = disk.layout.place(directory)
    const stats = disk.files.lstat(path)
    if (stats?.isSymbolicLink()) this.#removeFile(selector, directory, work)
    if (!stats?.isDirectory()) return false
    let taken: Discarded
    try {
      taken = trash.takePages(directory)
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT' && disk.files.lstat(path) === undefined) return false
      // A mount point cannot be renamed (EBUSY), nor a directory onto another mount (EXDEV).
      await this.#removeMatching([selector], directory, work)
      return false
    }
    const isAll = selector.directory === directory
    const records = isAll ? this.#takeRecords(selector) : undefined
    const setAside = this.#setterAside(taken, records)
    try {
      await trash.clear(taken, directory, (page) => {
        setAside(page)
        work.tally.remove(page.key)
      })
    } finally {
      trash.discard(records)
    }
    return isAll
  }

  /** Sets pages aside that lie in the trash already, with their records. Without records there are none to be set. */
  #setterAside(taken: Discarded, records: Discarded | undefined): (page: RemovedPage) => void {
    const { asides } = this.#parts
    if (records === undefined || !asides.areUsed()) return () => undefined
    return ({ key, place, keyBelow }) =>
      void asides.take(key, `${taken.path}/${place}`, `${records.path}/${recordName(keyBelow)}`)
  }

  /** Walks and removes in place. A symbolic link on the way is removed, not followed: it may lead anywhere. */
  async #removeMatching(patterns: Group, directory: string, work: Work): Promise<void> {
    const { files, layout } = this.#parts.disk
    const { tally, slices } = work
    // Most changes are of what nobody has asked for, and an exception costs ten times as much as these looks. Only the
    // second one tells what is not there from what may not be looked at.
    const place = layout.place(directory)
    if (!files.exists(place) && files.lstat(place) === undefined) return
    const reaching = (below: string) => patterns.filter((pattern) => pattern.mayReachInto(below))
    const found = walk(files, layout.root, directory, {
      enters: (below) => patterns.some((pattern) => pattern.mayReachInto(below)),
      failed(below, thrown) {
        // Readable by root alone; a page that could not be evicted there could not have been kept there either.
        if (below === ofTheFileSystem) return
        for (const pattern of below === directory ? patterns : reaching(below)) tally.fail(pattern, below, thrown)
      },
    })
    for (const { path, kind, isHidden } of found) {
      if (slices.isFull()) await slices.pause()
      if (isHidden || kind === 'directory') continue
      const key = layout.keyAt(path)
      const match =
        (key === undefined ? undefined : patterns.find((pattern) => pattern.matches(key))) ??
        (kind === 'link' ? reaching(path)[0] : undefined)
      if (match === undefined) continue
      if (kind === 'file' && key !== undefined) this.#removeListed(match, key, work)
      else this.#removeFile(match, path, work)
    }
  }
}

type Group = readonly [PatternSelector, ...PatternSelector[]]

/** Patterns that match below the same directory are looked for in one walk; each subtree goes by itself. */
function byDirectory(patterns: readonly PatternSelector[]): Group[] {
  const groups = new Map<string, [PatternSelector, ...PatternSelector[]]>()
  for (const pattern of patterns) {
    const name = `${pattern.isSubtree ? 'all' : 'some'} of ${pattern.directory}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [pattern])
    else group.push(pattern)
  }
  return [...groups.values()]
}
