/**
 * A switch for web servers that send pages without asking us: links to the cache directory, each good for one
 * second and named after it (`1700000000`, seconds since 1970). A server whose document root is the link of the
 * second that it is finds pages while there is such a link, and nothing otherwise; then it asks the application.
 *
 * A link is made only for a second that ends within `maxLagMs` of what the invalidator last covered (its sign of
 * life, core/sight.ts). So nobody has to throw the switch: when the invalidator, whoever calls this, or all of
 * Node stands still, the links run out. Decision 0021.
 */
import { mkdir, readdir, readlink, symlink, unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Clock, systemClock, type Timer } from '../../core/clock.js'
import { PagekeepError, reasonOf } from '../../core/errors.js'
import { signOfLife } from '../../core/sight.js'
import { errnoOf } from './disk-error.js'
import type { DiskStore } from './disk-store.js'

export interface SwitchOptions {
  readonly store: DiskStore
  /**
   * Where the links are made: a directory for them alone, that does not outlive a restart of the machine, such as
   * `/run/my-site`, so that the web server finds no page before the store has looked at what the restart left.
   */
  readonly directory: string
  /** How far behind the database pages may be, in milliseconds, 2000 or more; as the `maxLagMs` of the cache. */
  readonly maxLagMs: number
  /** Told once of each fault that goes on; meanwhile no links are made. Default: nobody. */
  readonly onFault?: (error: PagekeepError) => void
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

export interface Switch {
  /** Looks at the sign of life now, and makes and removes links accordingly. Never rejects. */
  look(): Promise<void>
  /** Ends it and removes the links: pages are sent no more, unless another process keeps the switch too. */
  close(): Promise<void>
}

/** Links are made for so many seconds to come at most. */
const aheadSeconds = 60
const lookEveryMs = 500
/** A sign from later than now is of a clock that was set back, and says nothing. */
const toleranceMs = 1000

/**
 * Keeps the switch, in one or more processes at a time; resolves after the first look. It does not keep the process
 * alive. Throws `TypeError` or `RangeError` for unsuitable options. Price: a small read twice a second, and a link
 * made and one removed each second.
 *
 * @example
 * const store = new DiskStore({ directory: 'cache' })
 * const links = await keepSwitch({ store, directory: 'links', maxLagMs: 30_000 })
 * await links.close()
 */
export async function keepSwitch(options: SwitchOptions): Promise<Switch> {
  const kept = new LinkSwitch(options)
  await kept.look()
  kept.schedule()
  return kept
}

class LinkSwitch implements Switch {
  readonly #store: DiskStore
  readonly #directory: string
  readonly #maxLagMs: number
  readonly #onFault: (error: PagekeepError) => void
  readonly #clock: Clock
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #isClosed = false
  #lastFault = ''

  constructor({ store, directory, maxLagMs, onFault = () => undefined, clock = systemClock }: SwitchOptions) {
    if (typeof store?.directory !== 'string') throw new TypeError('Expected store to be a DiskStore')
    if (typeof directory !== 'string' || directory === '') {
      throw new TypeError(`Expected directory to be the path of a directory, got ${JSON.stringify(directory)}`)
    }
    if (!Number.isFinite(maxLagMs) || maxLagMs < 2000) {
      throw new RangeError(`Expected maxLagMs to be 2000 or more, got ${String(maxLagMs)}`)
    }
    this.#store = store
    this.#directory = resolve(directory)
    if (`${this.#directory}/`.startsWith(`${store.directory}/`)) {
      throw new TypeError(`Expected directory to lie outside of the cache directory, got "${directory}"`)
    }
    this.#maxLagMs = maxLagMs
    this.#onFault = onFault
    this.#clock = clock
  }

  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookOnce())
    return this.#looking
  }

  schedule(): void {
    if (this.#isClosed) return
    this.#timer = this.#clock.setTimer(() => void this.look().then(() => this.schedule()), lookEveryMs)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#looking
    await this.#guard(async () => {
      await this.#removeBut(() => false)
    })
  }

  #lookOnce(): Promise<void> {
    return this.#guard(async () => {
      if (this.#isClosed) return
      // Read through the store: after a restart of the machine it first forgets what it cannot trust.
      const coveredUntilMs = Number(await this.#store.state.read(signOfLife))
      const nowMs = this.#clock.now()
      const first = Math.floor(nowMs / 1000)
      const isKnown = coveredUntilMs > 0 && coveredUntilMs <= nowMs + toleranceMs
      const end = isKnown ? Math.floor((coveredUntilMs + this.#maxLagMs) / 1000) : first
      const last = Math.min(end - 1, first + aheadSeconds)
      await mkdir(this.#directory, { recursive: true })
      const there = await this.#removeBut((second) => second >= first && second <= first + aheadSeconds)
      const [known] = there
      if (known !== undefined) await this.#checkLink(known)
      for (let second = first; second <= last; second++) if (!there.has(second)) await this.#link(second)
    })
  }

  async #link(second: number): Promise<void> {
    try {
      await symlink(this.#store.directory, `${this.#directory}/${second}`)
    } catch (thrown) {
      // Another process was faster.
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
      await this.#checkLink(second)
    }
  }

  /** Throws where the switch of another cache is kept in the same place. */
  async #checkLink(second: number): Promise<void> {
    const target = await readlink(`${this.#directory}/${second}`).catch(unlessAbsent)
    if (target !== undefined && target !== this.#store.directory) throw new Error(`it holds links to "${target}"`)
  }

  /** Removes links of seconds that `stays` does not name; answers which are left. */
  async #removeBut(stays: (second: number) => boolean): Promise<Set<number>> {
    const left = new Set<number>()
    for (const entry of (await readdir(this.#directory, { withFileTypes: true }).catch(unlessAbsent)) ?? []) {
      if (!entry.isSymbolicLink() || !/^\d+$/.test(entry.name)) continue
      if (stays(Number(entry.name))) left.add(Number(entry.name))
      else await unlink(`${this.#directory}/${entry.name}`).catch(unlessAbsent)
    }
    return left
  }

  async #guard(act: () => Promise<void>): Promise<void> {
    try {
      await act()
      this.#lastFault = ''
    } catch (thrown) {
      const message =
        `Could not keep the switch in "${this.#directory}": ${reasonOf(thrown)}. ` +
        'The web server asks the application for every page until it is repaired.'
      if (message === this.#lastFault) return
      this.#lastFault = message
      this.#onFault(new PagekeepError('store-failed', message, { store: this.#store.name, cause: thrown }))
    }
  }
}

/** Another process may remove the same links. */
function unlessAbsent(thrown: unknown): undefined {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown
}
