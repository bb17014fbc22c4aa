/**
 * Waiting for the renders of others: one `fs.watch` on `leases/` for all waits of a store, and a slow poll
 * as a net under it. A wait of a key
 *
 * - begins with the lock that was found, and looks at once whether its owner lives;
 * - ends when that lock is gone or replaced, or when its owner is dead: then token and lock are removed.
 *   Never the page: taking over from a living owner by mistake costs a second render.
 *
 * The takeover time: an owner that was killed is noticed at the next poll, so within 250 ms of its death; one
 * in another container or worker thread, of which nothing can be asked, a minute after its render began.
 */
import type { Disk } from './disk.js'
import { dropAbandonedLock, identityOf } from './lease.js'
import { lockName, readLeaseName } from './lease-name.js'

/** How often a wait looks by itself: the longest that a dead owner of this machine holds up whoever waits. */
const pollMs = 250

interface Wait {
  readonly promise: Promise<void>
  /** Of the lock that was found; `undefined` when it had gone before. */
  readonly lock: string | undefined
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
    const { promise, end } = openPromise()
    try {
      // The watch comes first: a lock that goes between the two is seen missing here.
      this.#stopWatching ??= this.#watch()
      this.#waits.set(stem, { promise, lock: this.#lockOf(stem), end })
      this.#look(stem)
    } catch {
      end()
      this.#end(stem)
    }
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
    if (token === undefined && this.#waits.has(stem)) this.#endIf(stem, (wait) => this.#lockOf(stem) !== wait.lock)
  }

  #lookAtAll(): void {
    let names: readonly string[] | undefined
    for (const stem of [...this.#waits.keys()]) {
      this.#endIf(stem, (wait) => {
        names ??= this.#disk.files.names(this.#disk.layout.leases)
        return this.#isOver(stem, wait, names)
      })
    }
  }

  #look(stem: string): void {
    this.#endIf(stem, (wait) => this.#isOver(stem, wait, this.#disk.files.names(this.#disk.layout.leases)))
  }

  /** Any fault ends the wait too: what the caller does next will tell. */
  #endIf(stem: string, condition: (wait: Wait) => boolean): void {
    const wait = this.#waits.get(stem)
    try {
      if (wait !== undefined && condition(wait)) this.#end(stem)
    } catch {
      this.#end(stem)
    }
  }

  /** Whether there is nothing to wait for; what a dead owner left is removed. `names`: what is in `leases/`. */
  #isOver(stem: string, { lock }: Wait, names: readonly string[]): boolean {
    const { files, layout, owner } = this.#disk
    const path = `${layout.leases}/${lockName(stem)}`
    if (this.#lockOf(stem) !== lock || dropAbandonedLock(this.#disk, path)) return true
    for (const name of names) {
      const { stem: other, token } = readLeaseName(name)
      if (other !== stem || token === undefined) continue
      const stats = files.lstat(`${layout.leases}/${name}`)
      if (stats === undefined || identityOf(stats) !== lock) continue
      if (!owner.isAbandoned(token, Number(stats.mtimeMs))) return false
      files.unlink(`${layout.leases}/${name}`)
    }
    // No token is this lock's: its page is in place, or its owner is dead. Others who wait have seen that too, and one may
    // have begun by now.
    if (this.#lockOf(stem) === lock) files.unlink(path)
    return true
  }

  /** Which lock there is. */
  #lockOf(stem: string): string | undefined {
    return identityOf(this.#disk.files.lstat(`${this.#disk.layout.leases}/${lockName(stem)}`))
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
