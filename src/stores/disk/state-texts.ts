/** Small texts in `.pagekeep/state/`, one file each, replaced atomically. */
import type { StoreState } from '../../core/store.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { replaceFile } from './whole-file.js'

export class StateTexts implements StoreState {
  readonly #disk: Disk
  readonly #ready: () => void
  readonly #prepareAgain: () => void

  /** `ready` is called before each use, `prepareAgain` when the directory is gone; either throws when the store cannot be used. */
  constructor(disk: Disk, ready: () => void, prepareAgain: () => void) {
    this.#disk = disk
    this.#ready = ready
    this.#prepareAgain = prepareAgain
  }

  read(name: string): string | undefined {
    const path = this.#pathOf(name)
    try {
      return this.#disk.files.text(path)
    } catch (thrown) {
      if (isAbsence(thrown)) return undefined
      throw diskError(`read the state "${name}"`, thrown)
    }
  }

  write(name: string, text: string): void {
    const path = this.#pathOf(name)
    try {
      if (text !== '') this.#replace(path, text)
      else if (this.#disk.files.lstat(path) !== undefined) this.#disk.files.unlink(path)
    } catch (thrown) {
      throw diskError(`write the state "${name}"`, thrown)
    }
  }

  #replace(path: string, text: string): void {
    try {
      replaceFile(this.#disk, path, text)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown
      this.#prepareAgain()
      replaceFile(this.#disk, path, text)
    }
  }

  #pathOf(name: string): string {
    if (!/^[a-z0-9-]{1,100}$/.test(name)) {
      throw new TypeError(`Expected the name of a state to be of a-z, 0-9 and "-", got ${JSON.stringify(name)}`)
    }
    this.#ready()
    return `${this.#disk.layout.state}/${name}`
  }
}
