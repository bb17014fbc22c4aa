/**
 * The directory made ready, on first use: bookkeeping made, and the three calls that everything rests on
 * (create, link, rename) tried once. What fails is `store-unusable`, and is tried again at the next use,
 * so that a directory that is repaired heals without a restart.
 */
import { PagekeepError } from '../../core/errors.js'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf } from './disk-error.js'
import { openFlags } from './files.js'

/** The name of a file that is renamed among the pages for a moment, to see whether that works; a token follows. */
export const probePrefix = '.pagekeep-probe-'

export class Preparation {
  readonly #disk: Disk
  readonly #prepared: () => void
  #isDone = false
  #isCaseBlind = false

  /** `prepared` is called after each success. */
  constructor(disk: Disk, prepared: () => void) {
    this.#disk = disk
    this.#prepared = prepared
  }

  /** Whether the disk takes `A` for `a`. */
  get isCaseBlind(): boolean {
    return this.#isCaseBlind
  }

  /** Throws `store-unusable` or `store-failed`. */
  ensure(): void {
    if (this.#isDone) return
    const { files, layout, directoryMode } = this.#disk
    try {
      makeDirectory(files, layout.root, directoryMode)
      if (!files.stat(layout.root)?.isDirectory()) throw Object.assign(new Error('it is a file'), { code: 'ENOTDIR' })
      for (const directory of layout.directories) makeDirectory(files, directory, directoryMode)
      this.#try()
    } catch (thrown) {
      throw this.#describe(thrown)
    }
    this.#isDone = true
    this.#prepared()
  }

  /** Somebody removed the directory: make it again at the next use. */
  forget(): void {
    this.#isDone = false
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
