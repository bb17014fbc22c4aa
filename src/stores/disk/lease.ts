/**
 * A fill's token: a file in `leases/` whose name is used once in all time, and, unless the fill began
 * regardless of others, the lock of its key: a hard link to the token.
 *
 * - taken: the token exists. The fill may be published.
 * - doomed: somebody removed the token; nobody can bring it back.
 * - released: token and lock are gone. Whoever waited may begin.
 */

import type { BigIntStats } from 'node:fs'
import type { Disk } from './disk.js'
import { errnoOf } from './disk-error.js'
import { openFlags } from './files.js'
import { lockName, stemOf } from './lease-name.js'

export class Lease {
  readonly stem: string
  readonly path: string
  /** The mode that the file was created with: `fileMode`, less the umask. */
  readonly mode: number
  readonly #disk: Disk
  readonly #token: string
  readonly #identity: string | undefined
  #lock: string | undefined

  private constructor(disk: Disk, stem: string) {
    this.#disk = disk
    this.stem = stem
    this.#token = disk.owner.mint()
    this.path = `${disk.layout.leases}/${stem}~${this.#token}`
    try {
      const fd = disk.files.open(this.path, openFlags.create, disk.fileMode)
      try {
        const stats = disk.files.fstat(fd)
        this.#identity = identityOf(stats)
        this.mode = Number(stats.mode) & 0o7777
      } finally {
        disk.files.close(fd)
      }
    } catch (thrown) {
      disk.owner.retire(this.#token)
      throw thrown
    }
  }

  /** `undefined` when another fill holds the lock. With `regardless` the lock is not asked for. */
  static take(disk: Disk, key: string, regardless: boolean): Lease | undefined {
    const stem = stemOf(key)
    for (let attempt = 0; ; attempt++) {
      const lease = new Lease(disk, stem)
      // Evictions that remove each new token at once must not keep this fill from rendering.
      if (regardless || attempt === 10) return lease
      try {
        const outcome = lease.#takeLock()
        if (outcome === 'taken') return lease
        lease.release()
        if (outcome === 'held') return undefined
      } catch (thrown) {
        lease.release()
        throw thrown
      }
    }
  }

  get isDoomed(): boolean {
    return this.#disk.files.lstat(this.path) === undefined
  }

  /** Removes what is left of token and lock. Never throws: leftovers of a living process die with it. */
  release(): void {
    const { files, owner } = this.#disk
    try {
      if (files.lstat(this.path) !== undefined) files.unlink(this.path)
    } catch {
      // Removed by an eviction in this instant.
    }
    try {
      // Another lock is somebody else's. Losing that race costs a second render.
      if (this.#lock !== undefined && identityOf(files.lstat(this.#lock)) === this.#identity) files.unlink(this.#lock)
    } catch {
      // As above.
    }
    this.#lock = undefined
    owner.retire(this.#token)
  }

  #takeLock(): 'taken' | 'held' | 'again' {
    const { files, layout } = this.#disk
    const lock = `${layout.leases}/${lockName(this.stem)}`
    try {
      files.link(this.path, lock)
      this.#lock = lock
      return 'taken'
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return 'again'
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
    }
    return dropAbandonedLock(this.#disk, lock) ? 'again' : 'held'
  }
}

/**
 * Tells a lock from the one before it, of the same name: the number of an inode is given again at once, to a file that
 * was born later. A file system that keeps no time of birth is taken at the number alone.
 */
export function identityOf(stats: BigIntStats | undefined): string | undefined {
  return stats && `${stats.ino}.${stats.birthtimeNs}`
}

/** Removes a lock that no token and no page shares: its fill was doomed. Says whether there is none now. */
export function dropAbandonedLock({ files }: Disk, lock: string): boolean {
  const stats = files.lstat(lock)
  if (stats === undefined) return true
  if (stats.nlink !== 1n) return false
  try {
    files.unlink(lock)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
  }
  return true
}
