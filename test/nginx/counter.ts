/**
 * A number that several processes see at once: the data behind a page, or the newest version whose eviction has
 * completed. Eight bytes at the start of a file, read and written in one call each.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'

export class Counter {
  readonly #fd: number
  readonly #bytes = Buffer.alloc(8)

  constructor(path: string) {
    this.#fd = openSync(path, 'a+')
    closeSync(this.#fd)
    this.#fd = openSync(path, 'r+')
  }

  get value(): number {
    return readSync(this.#fd, this.#bytes, 0, 8, 0) === 8 ? this.#bytes.readDoubleLE() : 0
  }

  set value(value: number) {
    this.#bytes.writeDoubleLE(value)
    writeSync(this.#fd, this.#bytes, 0, 8, 0)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** The page of a version: long enough to need several writes to a socket, and the same number all through. */
export function pageOf(version: number): string {
  return `${version} `.repeat(8000)
}

/** The version of a page, or `undefined` if it is not one whole page of one version. */
export function versionOf(page: string): number | undefined {
  const version = Number.parseInt(page, 10)
  return page === pageOf(version) ? version : undefined
}
