/**
 * Directories renamed away, so that thousands of pages vanish at once, and deleted at leisure.
 *
 * `trash/<stem>~<token>` holds what lay at the key of the stem, `trash/%m~<token>` records or asides. Files that
 * start with a dot are not pages: they are put back at once, or by a later process if this one dies.
 */
import { dirname } from 'node:path'
import { keyProblem } from '../../core/key.js'
import { makeDirectory } from './directories.js'
import { type Disk, Slices } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { keyOfStem, readLeaseName, stemOf } from './lease-name.js'
import { walk } from './walk.js'

const recordsStem = '%m'

export class Trash {
  readonly #disk: Disk
  #work: Promise<void> = Promise.resolve()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Moves the pages below `directory` here. Throws what the system says, and for a name that is too long. */
  takePages(directory: string): Discarded {
    const stem = stemOf(directory)
    if (keyOfStem(stem) === undefined) throw new RangeError(`"${directory}" is too long for one name`)
    return this.#take(this.#disk.layout.place(directory), stem)
  }

  /** Moves the records of `directory` (`''`: all) here, if there are any. */
  takeRecords(directory: string): Discarded | undefined {
    const { meta } = this.#disk.layout
    return this.#takeIfThere(directory === '' ? meta : `${meta}/${directory}`)
  }

  /** Moves evicted pages that may still be shown here: from now on they may not. */
  takeAsides(): Discarded | undefined {
    return this.#takeIfThere(this.#disk.layout.asides)
  }

  /** Deletes it in the background, a slice at a time. */
  discard(discarded: Discarded | undefined): void {
    if (discarded === undefined) return
    const { path, token } = discarded
    this.#work = this.#work.then(async () => {
      try {
        // What was a directory when it was looked at may have been replaced by a page when it was renamed.
        if (this.#disk.files.lstat(path)?.isDirectory()) await this.#remove(path, new Slices())
        else unlinkIfThere(this.#disk, path)
      } catch (thrown) {
        this.#disk.fault(diskError(`delete "${path}", which holds evicted pages`, thrown))
      } finally {
        this.#disk.owner.retire(token)
      }
    })
  }

  /** As `clear`, in the background. */
  clearLater(discarded: Discarded, directory: string): void {
    this.#work = this.#work.then(async () => {
      try {
        await this.clear(discarded, directory, () => undefined)
      } catch (thrown) {
        this.#disk.fault(diskError(`put back dotfiles from "${discarded.path}"`, thrown))
        this.#disk.owner.retire(discarded.token)
      }
    })
  }

  /** Puts back what is not a page, tells `removed` of each page and where it lies now, and deletes them in the background. */
  async clear(discarded: Discarded, directory: string, removed: (page: RemovedPage) => void): Promise<void> {
    const { layout } = this.#disk
    const slices = new Slices()
    let isComplete = true
    const failed = (below: string, thrown: unknown) => {
      isComplete = false
      this.#disk.fault(diskError(`look for dotfiles in "${discarded.path}/${below}"`, thrown))
    }
    for (const found of walk(this.#disk.files, discarded.path, '', { failed })) {
      if (slices.isFull()) await slices.pause()
      if (found.isHidden) isComplete = this.#putBack(discarded, directory, found.path) && isComplete
      const keyBelow = found.kind === 'file' && !found.isHidden ? layout.keyAt(found.path) : undefined
      if (keyBelow !== undefined) removed({ key: `${directory}/${keyBelow}`, place: found.path, keyBelow })
    }
    // What could not be put back stays here; a later process tries again.
    if (isComplete) this.discard(discarded)
    else this.#disk.owner.retire(discarded.token)
  }

  /** One file or directory that starts with a dot, back where it was, unless there is a newer one. */
  #putBack({ path }: Discarded, directory: string, hidden: string): boolean {
    const { files, layout, directoryMode } = this.#disk
    const place = layout.place(`${directory}/${hidden}`)
    try {
      if (files.lstat(place) !== undefined) return true
      makeDirectory(files, dirname(place), directoryMode)
      files.rename(`${path}/${hidden}`, place)
      return true
    } catch (thrown) {
      // Another process that took this one for dead did it.
      if (isAbsence(thrown) && !this.#mayBeThere(`${path}/${hidden}`)) return true
      this.#disk.fault(diskError(`put "${place}" back, which an eviction moved to "${path}"`, thrown))
      return false
    }
  }

  #mayBeThere(path: string): boolean {
    try {
      return this.#disk.files.lstat(path) !== undefined
    } catch {
      return true
    }
  }

  /** Finishes what dead processes left here. */
  async adopt(): Promise<void> {
    const { files, layout, owner } = this.#disk
    for (const name of files.names(layout.trash)) {
      const path = `${layout.trash}/${name}`
      const { stem, token = '' } = readLeaseName(name)
      const stats = files.lstat(path)
      if (stats === undefined || !owner.isAbandoned(token, Number(stats.ctimeMs))) continue
      const directory = stem === recordsStem ? undefined : keyOfStem(stem)
      if (directory === undefined || keyProblem(directory) !== undefined) this.discard({ path, token })
      else await this.clear({ path, token }, directory, () => undefined)
    }
  }

  /** Resolves when everything discarded so far is deleted. */
  settled(): Promise<void> {
    return this.#work
  }

  #takeIfThere(path: string): Discarded | undefined {
    return this.#disk.files.lstat(path) === undefined ? undefined : this.#take(path, recordsStem)
  }

  #take(from: string, stem: string): Discarded {
    const { files, layout, owner, directoryMode } = this.#disk
    const token = owner.mint()
    const path = `${layout.trash}/${stem}~${token}`
    try {
      // Somebody may have removed the trash by hand.
      if (files.lstat(layout.trash) === undefined) makeDirectory(files, layout.trash, directoryMode)
      files.rename(from, path)
      return { path, token }
    } catch (thrown) {
      owner.retire(token)
      throw thrown
    }
  }

  async #remove(path: string, slices: Slices): Promise<void> {
    const { files } = this.#disk
    for (let attempt = 0; ; attempt++) {
      for (const entry of listOf(this.#disk, path)) {
        if (slices.isFull()) await slices.pause()
        if (entry.isDirectory()) await this.#remove(`${path}/${entry.name}`, slices)
        else unlinkIfThere(this.#disk, `${path}/${entry.name}`)
      }
      try {
        return files.rmdir(path)
      } catch (thrown) {
        if (isAbsence(thrown)) return
        // A publisher that had found the directory before it was renamed put a page into it.
        if (errnoOf(thrown) !== 'ENOTEMPTY' || attempt === 10) throw thrown
      }
    }
  }
}

/** A directory that lies in the trash. */
export interface Discarded {
  readonly path: string
  readonly token: string
}

export interface RemovedPage {
  readonly key: string
  /** Its path in the trashed directory, and its key less the directory's own. */
  readonly place: string
  readonly keyBelow: string
}

function listOf({ files }: Disk, path: string) {
  try {
    return files.list(path)
  } catch (thrown) {
    if (isAbsence(thrown)) return []
    throw thrown
  }
}

function unlinkIfThere({ files }: Disk, path: string): void {
  try {
    files.unlink(path)
  } catch (thrown) {
    if (!isAbsence(thrown)) throw thrown
  }
}
