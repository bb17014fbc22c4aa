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

/** How long entries are handled before others on the event loop have their turn, in milliseconds. */
const sliceMs = 2

/** Watches the time: `if (slices.isFull()) await slices.pause()` after each entry lets the event loop turn now and then. */
export class Slices {
  #beganAtMs = performance.now()

  isFull(): boolean {
    return performance.now() - this.#beganAtMs >= sliceMs
  }

  async pause(): Promise<void> {
    await setImmediate()
    this.#beganAtMs = performance.now()
  }
}
