/**
 * Directories that pages were removed from, some of which are empty now: a page each in a directory of its own would
 * leave as many directories.
 *
 * To try a directory that still holds pages costs as much as to remove a page. So they are collected, each once, and
 * tried together: at once where most of what was tried is empty, and the more seldom the oftener it is not.
 */
import type { Disk } from './disk.js'

/** How many pages are removed at most before their directories are tried. */
const maxPages = 4096

export class LeftDirectories {
  readonly #disk: Disk
  /** Of pages, below the root; whether records are in the directory of that name too. */
  #left = new Map<string, boolean>()
  #pages = 0
  #patience = 1

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Whether so many pages were removed that it is time to look. */
  get isDue(): boolean {
    return this.#pages >= this.#patience
  }

  pageRemoved(key: string, hadRecord: boolean): void {
    const directory = directoryOf(key)
    this.#pages++
    if (directory !== '') this.#left.set(directory, hadRecord || this.#left.get(directory) === true)
  }

  /** Removes those that are empty, with what they were alone in. Yields after each try. Never throws. */
  *removeEmpty(): Generator<void> {
    const { root, meta } = this.#disk.layout
    const left = [...this.#left]
    this.#left = new Map()
    this.#pages = 0
    const { empty, full } = yield* this.#removeIn(root, left)
    const withRecords = left.filter(([, hadRecords]) => hadRecords)
    yield* this.#removeIn(meta, withRecords)
    this.#patience = full > empty ? Math.min(2 * this.#patience, maxPages) : 1
  }

  /** Says how many were tried that were empty, and that were not. */
  *#removeIn(root: string, left: readonly (readonly [string, boolean])[]) {
    const tried = { empty: 0, full: 0 }
    let level = new Set(left.map(([directory]) => directory))
    while (level.size > 0) {
      const above = new Set<string>()
      for (const directory of level) {
        const isRemoved = this.#remove(`${root}/${directory}`)
        tried[isRemoved ? 'empty' : 'full']++
        if (isRemoved && directoryOf(directory) !== '') above.add(directoryOf(directory))
        yield
      }
      level = above
    }
    return tried
  }

  #remove(path: string): boolean {
    try {
      this.#disk.files.rmdir(path)
      return true
    } catch {
      // Others are in it, or it is gone.
      return false
    }
  }
}

function directoryOf(key: string): string {
  return key.slice(0, Math.max(key.lastIndexOf('/'), 0))
}
