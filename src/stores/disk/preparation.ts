/**
 * The directory made ready, on first use: bookkeeping made, and the three calls that everything rests on
 * (create, link, rename) tried once. What fails is `store-unusable`, and is tried again at the next use,
 * so that a directory that is repaired heals without a restart.
 */
import { PagekeepError } from '../../core/errors.js'
import type { ContentCoding } from './content-coding.js'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf } from './disk-error.js'
import { openFlags } from './files.js'
import { makeHome } from './first-use.js'
import { mayHoldPages } from './forget-pages.js'
import { noticeRestart } from './restart.js'
import { settleCoding } from './settle-coding.js'
import { isWhole } from './tag-index.js'
import { setMode } from './whole-file.js'

/** In `tags/`, followed by a token. */
export const markerDraftPrefix = '.making~'

/** The name of a file that is renamed among the pages for a moment, to see whether that works; a token follows. */
export const probePrefix = '.pagekeep-probe-'

export interface PreparationParts {
  readonly disk: Disk
  /** Whether files in a directory that was never used as a store may be taken for pages, and evicted. */
  readonly adopts: boolean
  /** Whether pages of another boot are served. */
  readonly trustsRestarts: boolean
  /** The coding that this store was told to keep pages in; `undefined`: the directory's. */
  readonly coding: ContentCoding | undefined
  /** Evicts everything, or throws: called when the bookkeeping of the pages is lost, or the machine was started anew. */
  readonly forgetPages: () => void
  /** Called after each success. */
  readonly prepared: () => void
}

export class Preparation {
  readonly #disk: Disk
  readonly #prepared: () => void
  readonly #forgetPages: () => void
  readonly #adopts: boolean
  readonly #trustsRestarts: boolean
  readonly #coding: ContentCoding | undefined
  #isDone = false
  /** The directory was in use by this store, whatever has become of it. */
  #wasDone = false
  #isCaseBlind = false

  constructor({ disk, adopts, trustsRestarts, coding, forgetPages, prepared }: PreparationParts) {
    this.#disk = disk
    this.#adopts = adopts
    this.#trustsRestarts = trustsRestarts
    this.#coding = coding
    if (coding !== undefined) disk.layout.use(coding)
    this.#forgetPages = forgetPages
    this.#prepared = prepared
  }

  /** Whether the disk takes `A` for `a`. */
  get isCaseBlind(): boolean {
    return this.#isCaseBlind
  }

  /** Throws `store-unusable` or `store-failed`. */
  ensure(): void {
    if (this.#isDone) return
    try {
      try {
        this.#prepare()
      } catch (thrown) {
        // Another process may have changed the coding meanwhile, and taken the place for leases away with it.
        if (errnoOf(thrown) !== 'ENOENT') throw thrown
        this.#prepare()
      }
    } catch (thrown) {
      throw this.#describe(thrown)
    }
    this.#isDone = true
    this.#wasDone = true
    this.#prepared()
  }

  #prepare(): void {
    const { files, layout, directoryMode } = this.#disk
    makeDirectory(files, layout.root, directoryMode)
    if (!files.stat(layout.root)?.isDirectory()) throw Object.assign(new Error('it is a file'), { code: 'ENOTDIR' })
    this.#refuseForeign()
    if (files.lstat(layout.home) === undefined && this.#isEmpty()) makeHome(this.#disk)
    settleCoding(this.#disk, { wanted: this.#coding, mayChange: !this.#wasDone })
    // What is missing is noted before it is made again: whoever comes between must see it too.
    if (!isWhole(this.#disk)) unlinkIfThere(this.#disk, layout.tagMarker)
    for (const directory of layout.directories) {
      // That place is there by now, or another process has changed the coding.
      if (directory !== layout.leases) makeDirectory(files, directory, directoryMode)
    }
    this.#try()
    if (!isWhole(this.#disk)) this.#beginAnew()
    noticeRestart(this.#disk, this.#trustsRestarts, this.#forgetPages)
  }

  /** Somebody removed the directory: make it again at the next use. */
  forget(): void {
    this.#isDone = false
  }

  /** `false` as well where that cannot be seen. */
  #isEmpty(): boolean {
    try {
      return !mayHoldPages(this.#disk)
    } catch {
      return false
    }
  }

  /** Somebody's document root, named by mistake, must not be emptied. */
  #refuseForeign(): void {
    const { files, layout } = this.#disk
    const isOurs = () => this.#adopts || this.#wasDone || files.lstat(layout.home) !== undefined
    // Asked twice: another process may have begun to use the directory, and kept what is found in it.
    if (isOurs() || !mayHoldPages(this.#disk) || isOurs()) return
    const message =
      `Could not use the cache directory "${layout.root}": it holds files, and no ".pagekeep". ` +
      'Empty it, name another, or set mayEmptyDirectory: true to have everything in it deleted but dotfiles.'
    throw new PagekeepError('store-unusable', message, { store: 'disk' })
  }

  /**
   * Which tags the pages have is not known (or there are none yet): they are evicted, then the logs are
   * said to be whole. The mark is made in the directory before, so that it vanishes with these very logs.
   */
  #beginAnew(): void {
    const { files, layout, owner, fileMode } = this.#disk
    const token = owner.mint()
    const draft = `${layout.tags}/${markerDraftPrefix}${token}`
    try {
      const fd = files.open(draft, openFlags.create, fileMode)
      try {
        setMode(this.#disk, fd)
      } finally {
        files.close(fd)
      }
      this.#forgetPages()
      files.rename(draft, layout.tagMarker)
    } catch (thrown) {
      this.#drop(draft)
      throw thrown
    } finally {
      owner.retire(token)
    }
  }

  #try(): void {
    const { files, layout, owner, fileMode } = this.#disk
    const token = owner.mint()
    const draft = `${layout.temp}/${token}`
    const linked = `${layout.leases}/probe~${token}`
    // No key starts with a dot, so no page is harmed.
    const placed = `${layout.root}/${probePrefix}${token}`
    try {
      files.close(files.open(draft, openFlags.create, fileMode))
      this.#tryLink(draft, linked)
      files.rename(draft, placed)
      this.#isCaseBlind = files.lstat(`${layout.root}/.PAGEKEEP-probe-${token}`) !== undefined
    } finally {
      for (const path of [draft, linked, placed]) this.#drop(path)
      owner.retire(token)
    }
  }

  /** What cannot be removed now is removed with what dead processes left (leftovers.ts). */
  #drop(path: string): void {
    const { files } = this.#disk
    try {
      if (files.lstat(path) !== undefined) files.unlink(path)
    } catch {
      // A directory that does not let go of a file shows it at the next call that matters.
    }
  }

  #tryLink(existing: string, name: string): void {
    try {
      this.#disk.files.link(existing, name)
    } catch (thrown) {
      // EPERM is what file systems without hard links answer; a directory without permission failed before.
      if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(thrown) ?? '')) throw thrown
      const message =
        `Could not use the cache directory "${this.#disk.layout.root}": its file system has no hard links. ` +
        'Put the cache on a local disk (ext4, xfs, zfs, tmpfs).'
      throw new PagekeepError('store-unusable', message, { store: 'disk', cause: thrown })
    }
  }

  #describe(thrown: unknown): PagekeepError {
    const { code, message, cause } = diskError(`use the cache directory "${this.#disk.layout.root}"`, thrown)
    return new PagekeepError(code === 'store-failed' ? code : 'store-unusable', message, { store: 'disk', cause })
  }
}

function unlinkIfThere({ files }: Disk, path: string): void {
  if (files.lstat(path) !== undefined) files.unlink(path)
}
