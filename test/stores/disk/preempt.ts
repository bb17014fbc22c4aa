/** One process let in, or killed, before the nth system call of another: to try every such moment in turn. */
import type { Files } from 'pagekeep/stores/disk'
import { systemError, watched } from './stage.js'

/** Calls to count begin when it is armed, so that preparations do not count. */
export class Moment {
  readonly files: Files
  /** Whether the nth call came. */
  hasCome = false
  #left = Number.POSITIVE_INFINITY
  #isDead = false

  constructor() {
    this.files = watched(() => {
      if (this.#isDead) throw systemError('EKILLED')
      this.#left--
      if (this.#left !== 0) return
      this.hasCome = true
      this.#action()
    })
  }

  #action: () => void = () => undefined

  /** Runs `action` before the nth call from now. */
  preempt(nth: number, action: () => void): void {
    this.#left = nth
    this.#action = action
  }

  /** Whatever comes now comes undisturbed. */
  disarm(): void {
    this.#isDead = false
    this.#left = Number.POSITIVE_INFINITY
  }

  /** From the nth call on nothing works any more: `kill -9` as the disk sees it. */
  kill(nth: number): void {
    this.preempt(nth, () => {
      this.#isDead = true
      throw systemError('EKILLED')
    })
  }
}

/** Tries n = 1, 2, 3, ... until the nth call does not come; returns the n for which `trial` said true. */
export async function eachMoment(trial: (nth: number, moment: Moment) => Promise<boolean>): Promise<number[]> {
  const found: number[] = []
  for (let nth = 1; ; nth++) {
    const moment = new Moment()
    if (await trial(nth, moment)) found.push(nth)
    moment.disarm()
    if (!moment.hasCome) return found
  }
}
