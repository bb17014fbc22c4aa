/** What every part of the disk store is handed: the seam, the places, the modes, and where faults go. */
import { setImmediate } from 'node:timers/promises'
import type { PagekeepError } from '../../core/errors.js'
import type { Files } from './files.js'
import type { Layout } from './layout.js'
import type { Owner } from './owner.js'

export interface Disk {
  readonly files: Files
  readonly layout: Layout
  readonly owner: Owner
  readonly fileMode: number
  readonly directoryMode: number
  /** Told of faults that reach no caller: those of work in the background. */
  readonly fault: (error: PagekeepError) => void
}

/** How many entries are handled before others on the event loop have their turn. */
const sliceLength = 2000

/** Counts what is handled: `if (slices.isFull()) await slices.pause()` lets the event loop turn now and then. */
export class Slices {
  #count = 0

  /** True for every 2000th entry. */
  isFull(): boolean {
    return ++this.#count % sliceLength === 0
  }

  async pause(): Promise<void> {
    await setImmediate()
  }
}
