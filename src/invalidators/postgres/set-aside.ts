/**
 * Rows that cannot be applied: their rule throws, or a page of theirs cannot be removed. They stay in
 * their table, do not stand in the way of the others, and are tried again ever more rarely.
 *
 * Kept in memory only: after a restart they are tried at once.
 */
import type { PagekeepError } from '../../core/errors.js'
import { type BackoffOptions, backoffMs } from './backoff.js'

export interface RowSetAside {
  readonly id: string
  /** How often it was tried. */
  readonly attempts: number
  readonly retryAtMs: number
  readonly error: PagekeepError
}

/** Beyond this many the trouble is not with rows: the queue takes no new ones until some of these went. */
export const maxSetAside = 1000

export class SetAside {
  readonly #rows = new Map<string, RowSetAside>()
  readonly #backoff: BackoffOptions

  constructor(backoff: BackoffOptions) {
    this.#backoff = backoff
  }

  get isFull(): boolean {
    return this.#rows.size >= maxSetAside
  }

  add(id: string, error: PagekeepError, nowMs: number): RowSetAside {
    const attempts = (this.#rows.get(id)?.attempts ?? 0) + 1
    const row = { id, attempts, retryAtMs: nowMs + backoffMs(attempts, this.#backoff), error }
    this.#rows.set(id, row)
    return row
  }

  forget(id: string): void {
    this.#rows.delete(id)
  }

  ids(): string[] {
    return [...this.#rows.keys()]
  }

  list(): RowSetAside[] {
    return [...this.#rows.values()]
  }

  /** The row to be tried next, whenever that is. */
  next(): RowSetAside | undefined {
    let next: RowSetAside | undefined
    for (const row of this.#rows.values()) {
      if (next === undefined || row.retryAtMs < next.retryAtMs) next = row
    }
    return next
  }
}
