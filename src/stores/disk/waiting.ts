/**
 * Waiting for the renders of others: one `fs.watch` on `leases/` for all waits of a store, and a slow poll
 * as a net under it. A wait of a key
 *
 * - begins with the lock that was found, and looks at once whether its owner lives;
 * - ends when that lock is gone or replaced, or when its owner is dead: then token and lock are removed.
 *   Never the page: taking over from a living owner by mistake costs a second render.
 */
import type { Disk } from './disk.js'
import { dropAbandonedLock } from './lease.js'
import { lockName, readLeaseName } from './lease-name.js'

const pollMs = 250

interface Wait {
  readonly promise: Promise<void>
  readonly inode: bigint
  end(): void
}

export class Waiting {
  readonly #disk: Disk
  readonly #waits = new Map<string, Wait>()
  #stopWatching: (() => void) | undefined
  #isClosed = false

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Resolves when the lock of `stem` that is there now is gone, or its owner. Never rejects. */
  ended(stem: string): Promise<void> {
    const known = this.#waits.get(stem)
    if (known !== undefined) return known.promise
    if (this.#isClosed) return Promise.resolve()
    // The watch comes first: a lock that goes between the two is seen missing here.
    this.#stopWatching ??= this.#watch()
    const inode = this.#inodeOf(stem)
    if (inode === undefined) {
      this.#restIfIdle()
      return Promise.resolve()
    }
    const { promise, end } = openPromise()
    this.#waits.set(stem, { promise, inode, end })
    this.#look(stem)
    return promise
  }

  /** Tells that a fill of this store has ended, without the detour over the disk. */
  released(stem: string): void {
    if (this.#waits.has(stem)) this.#look(stem)
  }

  close(): void {
    this.#isClosed = true
    for (const stem of [...this.#waits.keys()]) this.#end(stem)
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  #watch(): () => void {
    const { files, layout } = this.#disk
    const timer = setInterval(() => this.#lookAtAll(), pollMs)
    timer.unref()
    let watcher: { close(): void } | undefined
    const stopWatcher = () => {
      watcher?.close()
      watcher = undefined
    }
    try {
      // Without a watch (no inotify left, a file system that has none) the poll does the work.
      watcher = files.watch(layout.leases, (name) => this.#changed(name), stopWatcher)
    } catch {
      watcher = undefined
    }
    return () => {
      clearInterval(timer)
      stopWatcher()
    }
  }

  #changed(name: string | null): void {
    if (name === null) {
      this.#lookAtAll()
      return
    }
    const { stem, token } = readLeaseName(name)
    const wait = token === undefined ? this.#waits.get(stem) : undefined
    if (wait !== undefined && this.#inodeOf(stem) !== wait.inode) this.#end(stem)
  }

  #lookAtAll(): void {
    for (const stem of [...this.#waits.keys()]) this.#look(stem)
  }

  /** Ends the wait of `stem` if there is nothing to wait for. Any fault ends it too: the next step will tell. */
  #look(stem: string): void {
    try {
      if (this.#isOver(stem)) this.#end(stem)
    } catch {
      this.#end(stem)
    }
  }

  #isOver(stem: string): boolean {
    const { files, layout, owner } = this.#disk
    const lock = `${layout.leases}/${lockName(stem)}`
    if (this.#inodeOf(stem) !== this.#waits.get(stem)?.inode || dropAbandonedLock(this.#disk, lock)) return true
    const tokens = files.names(layout.leases).map((name) => ({ name, ...readLeaseName(name) }))
    for (const { name, stem: other, token } of tokens) {
      if (other !== stem || token === undefined) continue
      const stats = files.lstat(`${layout.leases}/${name}`)
      if (stats === undefined || stats.ino !== this.#waits.get(stem)?.inode) continue
      if (!owner.isAbandoned(token, Number(stats.mtimeMs))) return false
      files.unlink(`${layout.leases}/${name}`)
    }
    // No token has the lock's inode: its page is in place, or its owner is dead.
    if (this.#inodeOf(stem) === this.#waits.get(stem)?.inode) files.unlink(lock)
    return true
  }

  #inodeOf(stem: string): bigint | undefined {
    return this.#disk.files.lstat(`${this.#disk.layout.leases}/${lockName(stem)}`)?.ino
  }

  #end(stem: string): void {
    this.#waits.get(stem)?.end()
    this.#waits.delete(stem)
    this.#restIfIdle()
  }

  #restIfIdle(): void {
    if (this.#waits.size > 0) return
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }
}

function openPromise(): { promise: Promise<void>; end(): void } {
  let end: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    end = resolve
  })
  return { promise, end }
}
