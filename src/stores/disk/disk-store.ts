/**
 * Pages as plain files, kept right over processes and crashes.
 *
 * A fill is
 *
 * - begun: its token, a file whose name is used once in all time, exists. The render starts after that.
 * - doomed: an eviction unlinked the token, or evicted one of its tags. It is answered, and not kept.
 * - published: `rename(token, page)` succeeded. The page is visible, whole, to every process.
 * - abandoned, or its process is dead: the token is removed by its owner, or by whoever finds it.
 *
 * Why no stale page is kept (P1). The kernel renames the token if it still exists, in one step. Take a fill
 * that began before an eviction of its key. Either its rename came before the eviction unlinked the token:
 * then the page was there before the eviction's last step, which removes it. Or it comes after: then it
 * fails, for no one makes a token of that name again. A token made after the eviction had begun belongs to
 * a render that began after the change was committed. Tags: eviction-log.ts. Locks, clocks and process ids
 * decide only who waits for whom (P4), never what is kept. No page is torn (P3): it is written in the token,
 * which nobody reads, and appears by the rename.
 */
import { PagekeepError } from '../../core/errors.js'
import { checkKey } from '../../core/key.js'
import type { Selector } from '../../core/selector.js'
import type {
  Awaitable,
  BeginOptions,
  Busy,
  EvictedPage,
  Eviction,
  Fill,
  GetOptions,
  KeptPage,
  Store,
  StoreCapabilities,
  StoreState,
} from '../../core/store.js'
import { markLogIncomplete } from './adopt-pages.js'
import { Asides } from './asides.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf, saysFull } from './disk-error.js'
import { checkOptions, type DiskStoreOptions } from './disk-options.js'
import { Evictor } from './evict.js'
import { EvictionLog } from './eviction-log.js'
import { DiskFill } from './fill.js'
import { forgetPages } from './forget-pages.js'
import { listKeys } from './key-list.js'
import { Layout } from './layout.js'
import { Lease } from './lease.js'
import { stemOf } from './lease-name.js'
import { clearLeftovers } from './leftovers.js'
import { Owner } from './owner.js'
import { PageReader } from './page-reader.js'
import { Parts } from './parts.js'
import { Preparation } from './preparation.js'
import { SizeLimit } from './size-limit.js'
import { StateTexts } from './state-texts.js'
import { TagCompaction } from './tag-compaction.js'
import { TagIndex } from './tag-index.js'
import { Trash } from './trash.js'
import { Waiting } from './waiting.js'

/**
 * @example
 * const store = new DiskStore({ directory: '/var/cache/my-site' })
 * const cache = createCache({ store })
 */
export class DiskStore implements Store {
  readonly name = 'disk'
  readonly capabilities: StoreCapabilities = {
    isSharedByProcesses: true,
    canList: true,
    isDurable: true,
    keepsEvicted: true,
  }
  readonly state: StoreState
  /** The directory, as an absolute path. */
  readonly directory: string
  readonly #disk: Disk
  readonly #log: EvictionLog
  readonly #tags: TagIndex
  readonly #compaction: TagCompaction
  readonly #trash: Trash
  readonly #asides: Asides
  readonly #evictor: Evictor
  readonly #parts: Parts
  readonly #reader: PageReader
  readonly #limit: SizeLimit | undefined
  readonly #waiting: Waiting
  readonly #preparation: Preparation
  readonly #fills = new Set<DiskFill>()
  readonly #faultListeners: ((error: PagekeepError) => void)[] = []
  #background: Promise<void> = Promise.resolve()
  #isClosed = false
  #hasSaidThatItLogsNothing = false

  /** Throws `TypeError` or `RangeError`; touches no disk. */
  constructor(options: DiskStoreOptions) {
    const checked = checkOptions(options)
    const { directory, files, fileMode, directoryMode, onFault, limits } = checked
    const layout = new Layout(directory)
    const fault = (error: PagekeepError) => {
      for (const listener of [onFault, ...this.#faultListeners]) listener(error)
    }
    this.directory = layout.root
    this.#disk = { files, layout, owner: new Owner(files), fileMode, directoryMode, fault }
    this.#log = new EvictionLog(this.#disk)
    this.#compaction = new TagCompaction(this.#disk)
    this.#tags = new TagIndex(this.#disk, (bucket, bytes) => this.#compaction.hasGrown(bucket, bytes))
    this.#trash = new Trash(this.#disk)
    this.#asides = new Asides(this.#disk)
    this.#parts = new Parts(this.#disk, this.#log)
    this.#reader = new PageReader(this.#disk, checked)
    const parts = { disk: this.#disk, log: this.#log, tags: this.#tags, trash: this.#trash }
    this.#evictor = new Evictor({ ...parts, asides: this.#asides, prepareAgain: this.#prepareAgain })
    this.#waiting = new Waiting(this.#disk)
    this.#limit = limits && new SizeLimit(this.#disk, limits)
    this.#preparation = new Preparation({
      disk: this.#disk,
      adopts: checked.mayEmptyDirectory,
      trustsRestarts: checked.trustsRestarts,
      coding: checked.coding,
      forgetPages: () => forgetPages(this.#disk, this.#trash),
      prepared: () => this.#inBackground(),
    })
    this.state = new StateTexts(this.#disk, () => this.#readyAgain(), this.#prepareAgain)
  }

  /** At once, unless the page is large or `io` is `'async'`. */
  get(key: string, options: GetOptions = {}): Awaitable<KeptPage | undefined> {
    const copy = this.#reader.find(key)
    // A key of which there is a copy was checked before.
    if (copy === undefined) checkKey(key)
    this.#ready()
    if (copy === undefined && this.#isAmbiguous(key)) return undefined
    return options.asPart ? this.#parts.get(key) : this.#reader.read(key, copy, options)
  }

  getEvicted(key: string): EvictedPage | undefined {
    checkKey(key)
    this.#ready()
    return this.#isAmbiguous(key) ? undefined : this.#asides.get(key)
  }

  dropEvicted(key: string): void {
    checkKey(key)
    this.#ready()
    if (!this.#isAmbiguous(key)) this.#asides.drop(key)
  }

  begin(key: string, options: BeginOptions = {}): Fill | Busy {
    checkKey(key)
    this.#ready()
    if (this.#isAmbiguous(key)) throw this.#ambiguous(key)
    try {
      return this.#begin(key, options)
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') this.#prepareAgain()
      else if (!saysFull(thrown) || !this.#limit?.makeRoom(0)) throw diskError(`begin a fill of "${key}"`, thrown, key)
    }
    // Somebody had removed the directory, or the disk was full.
    try {
      return this.#begin(key, options)
    } catch (thrown) {
      throw diskError(`begin a fill of "${key}"`, thrown, key)
    }
  }

  async evict(selectors: readonly Selector[]): Promise<Eviction> {
    this.#readyAgain()
    try {
      return await this.#evictor.evict(selectors)
    } catch (thrown) {
      throw diskError(`evict ${selectors.map((selector) => selector.text).join(', ')}`, thrown)
    }
  }

  async *keys(selector?: Selector): AsyncGenerator<string> {
    this.#readyAgain()
    yield* listKeys(this.#disk, this.#tags, selector)
  }

  onFault(listener: (error: PagekeepError) => void): void {
    this.#faultListeners.push(listener)
  }

  /** Abandons the fills under way, waits until what was evicted is deleted, and ends the watching. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const fill of [...this.#fills]) fill.abandon()
    this.#waiting.close()
    this.#reader.close()
    await this.#background
    await this.#trash.settled()
    await this.#compaction.settled()
    await this.#limit?.close()
    this.#log.close()
  }

  #begin(key: string, { regardless = false }: BeginOptions): Fill | Busy {
    if (this.#limit === undefined && !this.#hasSaidThatItLogsNothing) {
      markLogIncomplete(this.#disk)
      this.#hasSaidThatItLogsNothing = true
    }
    const lease = Lease.take(this.#disk, key, regardless)
    if (lease === undefined) return { kind: 'busy', ended: () => this.#waiting.ended(stemOf(key)) }
    try {
      // After the token exists, before the render reads anything.
      const position = this.#log.note()
      const common = { disk: this.#disk, log: this.#log, tags: this.#tags, parts: this.#parts, limit: this.#limit }
      const parts = { ...common, asides: this.#asides, prepareAgain: this.#prepareAgain, ended: this.#ended }
      const fill = new DiskFill(parts, key, lease, position)
      this.#fills.add(fill)
      return fill
    } catch (thrown) {
      lease.release()
      throw thrown
    }
  }

  readonly #prepareAgain = (): void => {
    this.#preparation.forget()
    this.#ready()
  }

  readonly #ended = (fill: DiskFill): void => {
    this.#fills.delete(fill)
    this.#waiting.released(fill.lease.stem)
  }

  #ready(): void {
    if (this.#isClosed) throw new PagekeepError('closed', 'The disk store is closed.', { store: this.name })
    this.#preparation.ensure()
  }

  /** As `#ready`, for what is not the hot path: it also sees that somebody removed the directory. */
  #readyAgain(): void {
    try {
      if (this.#disk.files.lstat(this.#disk.layout.leases) === undefined) this.#preparation.forget()
    } catch (thrown) {
      throw diskError(`use the cache directory "${this.directory}"`, thrown)
    }
    this.#ready()
  }

  #inBackground(): void {
    this.#limit?.prepared()
    const parts = { disk: this.#disk, trash: this.#trash, compaction: this.#compaction, asides: this.#asides }
    this.#background = this.#background.then(() => clearLeftovers(parts))
  }

  #isAmbiguous(key: string): boolean {
    return this.#preparation.isCaseBlind && key !== key.toLowerCase()
  }

  #ambiguous(key: string): PagekeepError {
    return new PagekeepError(
      'key-conflict',
      `"${key}" cannot be kept in "${this.directory}": that disk takes upper-case letters for lower-case ones. ` +
        "Make the key with route(template, { letterCase: 'escape' }).",
      { key, store: this.name },
    )
  }
}
