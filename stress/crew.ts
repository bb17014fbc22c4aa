/** All processes of a run, as its parent sees them: started, killed, brought to rest, audited, closed. */
import path from 'node:path'
import type { AuditorPlan } from './auditor.js'
import type { Programs } from './bundle.js'
import { byNode, type Launch } from './launch.js'
import { Member } from './member.js'
import type { NurseryPlan } from './nursery/nursery.js'
import { NurseryClient } from './nursery/nursery-client.js'
import type { StressOptions } from './options.js'
import { mixSeed, Random } from './random.js'
import { Site } from './site.js'
import type { WorkerPlan } from './worker.js'

const visitorsEach = 8
/**
 * Of each evictor; half of the evictions have an echo at once (evictor.ts). So some 350 pages are asked for between two
 * evictions of anybody: most are hits, as on a site, and cost together as much as rendering anew what one eviction took.
 */
const opsBetweenEvictions = 600
/** A process that does not rest or answer in this time hangs. */
const patienceMs = 30_000
const maxCrashes = 20

export interface CrewPlan {
  readonly options: StressOptions
  readonly programs: Programs
  /** The run's own directory: `pages/`, `board`, `findings` in it. */
  readonly directory: string
  readonly redisUrl: string | undefined
  /** What forks workers, if they are to be forked. */
  readonly addon: string | undefined
}

export class Crew {
  kills = 0
  readonly crashes: string[] = []
  readonly #plan: CrewPlan
  readonly #random: Random
  readonly #workers: Member[]
  readonly #auditor: Member | undefined
  #nursery: NurseryClient | undefined
  #listeners: (() => void)[] = []
  #audited = 0

  constructor(plan: CrewPlan) {
    this.#plan = plan
    this.#random = new Random(mixSeed(plan.options.seed, 3))
    const { processes, store } = plan.options
    this.#workers = Array.from({ length: processes }, (_, seat) =>
      this.#member(this.#launchWorker, (incarnation) => this.#workerPlan(seat, incarnation)),
    )
    if (store === 'disk') this.#auditor = this.#member(byNode(plan.programs.auditor), () => this.#auditorPlan())
  }

  /** How many seats there are: the workers, the auditor, and the one who comes last. */
  static seats(processes: number): number {
    return processes + 2
  }

  async start(): Promise<void> {
    const { addon, programs } = this.#plan
    if (addon !== undefined) this.#nursery = await NurseryClient.start(programs.nursery, this.#nurseryPlan(addon))
    for (const member of this.#members()) member.start()
    await this.#until('start', () => this.#members().every(({ state }) => state === 'ready'))
  }

  /**
   * Kills one of the processes that work, now and then one that is starting. Mostly the youngest, so that the
   * others become old enough to be fast and to have seen logs rotated and rewritten.
   * Says whether it did: not while others are still starting.
   */
  kill(): boolean {
    const starting = this.#workers.filter(({ state }) => state !== 'ready').length
    // On a busy machine a start takes long; the survivors are to have their time too.
    if (starting > this.#workers.length / 4) return false
    const isAnyones = this.#random.isLess(0.05)
    const victims = this.#workers.filter(({ state }) => state === 'ready' || (isAnyones && state === 'starting'))
    victims.sort((one, other) => other.readyAtMs - one.readyAtMs)
    this.#random.pick(this.#random.isLess(0.7) ? victims.slice(0, 1) : victims).kill()
    this.kills++
    return true
  }

  /** How long a start takes now, in milliseconds: much longer on a busy machine. */
  get startMs(): number {
    return this.#workers.reduce((sum, { startMs }) => sum + startMs, 0) / this.#workers.length
  }

  /** Resolves when no render, eviction or commit is under way, and every commit is acknowledged. */
  async rest(): Promise<void> {
    for (const worker of this.#workers) worker.rest()
    await this.#until('come to rest', () => this.#workers.every(({ isResting }) => isResting))
  }

  /** At rest. Stores without files are audited by one of those who use them. */
  async audit(): Promise<void> {
    const before = this.#audited
    const auditor = this.#auditor ?? this.#workers[0]
    auditor?.tell('audit')
    await this.#until('audit', () => this.#audited > before)
  }

  go(): void {
    for (const worker of this.#workers) worker.go()
  }

  /** Ends all workers in peace, then lets one more process open the store and close it. */
  async close(): Promise<void> {
    await this.#inTime('close', Promise.all(this.#members().map((member) => member.close())))
    const last = this.#member(this.#launchWorker, () => ({
      ...this.#workerPlan(this.#workers.length + 1, 0),
      visitors: 0,
      evictors: [],
      jitterMs: 0,
    }))
    last.start()
    await this.#inTime('start and close', last.close())
    this.#nursery?.close()
  }

  /** Ends what is still there, after a failure. */
  abort(): void {
    for (const member of this.#members()) member.abort()
    this.#nursery?.close()
  }

  #members(): Member[] {
    return this.#auditor === undefined ? this.#workers : [...this.#workers, this.#auditor]
  }

  readonly #launchWorker: Launch = (plan, listener) =>
    this.#nursery?.launch(plan, listener) ?? byNode(this.#plan.programs.worker)(plan, listener)

  #member(launch: Launch, plan: (incarnation: number) => object): Member {
    return new Member({
      launch,
      plan,
      reported: (_, report) => {
        if (report === 'audited') this.#audited++
        this.#tell()
      },
      crashed: (_, how) => {
        this.crashes.push(how)
        this.#tell()
      },
    })
  }

  #workerPlan(seat: number, incarnation: number): WorkerPlan {
    const { options, redisUrl } = this.#plan
    const { store, protocol, jitterMs, hotBytes, coding, keys, seed } = options
    return {
      store,
      protocol,
      jitterMs,
      hotBytes,
      coding,
      redisUrl,
      ...this.#places(),
      pages: keys,
      seat,
      seed: mixSeed(seed, seat, incarnation),
      visitors: this.#onlyEvicts(seat) ? 0 : visitorsEach,
      evictors: this.#rowsOf(seat),
      pace: { seats: Crew.seats(this.#workers.length), meanOps: opsBetweenEvictions * (this.#workers.length + 1) },
    }
  }

  #nurseryPlan(addon: string): NurseryPlan {
    const { keys } = this.#plan.options
    const at = (name: string) => path.join(this.#plan.directory, name)
    const places = { directory: at('practice/pages'), board: at('practice/board'), findings: at('practice/findings') }
    const everyRow = Array.from({ length: new Site(keys).rows }, (_, row) => row)
    const practice = {
      ...this.#workerPlan(0, 0),
      ...places,
      visitors: visitorsEach,
      evictors: [everyRow],
      pace: { seats: 1, meanOps: opsBetweenEvictions },
    }
    // A long run is worth a longer practice.
    const isLong = this.#plan.options.seconds >= 60
    const enough = isLong ? { practiceOps: 120_000, practiceMs: 8000 } : { practiceOps: 30_000, practiceMs: 4000 }
    return { addon, socket: at('socket'), practice, practiceDirectory: at('practice'), ...enough }
  }

  /** One process has nothing to do with pages but to evict them, where there are enough of them. */
  #onlyEvicts(seat: number): boolean {
    return seat === 0 && this.#workers.length > 2
  }

  /** The rows of the seat's evictors. Each row has one owner, for it has one writer. */
  #rowsOf(seat: number): number[][] {
    const { rows } = new Site(this.#plan.options.keys)
    // Two of them where they are alone.
    const shares = this.#workers.length + 1
    const own = seat === 0 ? [0, shares - 1] : [seat]
    const owned = own.map((share) =>
      Array.from({ length: rows }, (_, row) => row).filter((row) => row % shares === share),
    )
    return owned.filter(({ length }) => length > 0)
  }

  #auditorPlan(): AuditorPlan {
    return { ...this.#places(), pages: this.#plan.options.keys, seat: this.#workers.length }
  }

  #places(): { directory: string; board: string; findings: string } {
    const { directory } = this.#plan
    const at = (name: string) => path.join(directory, name)
    return { directory: at('pages'), board: at('board'), findings: at('findings') }
  }

  /** Waits for reports until `isDone`. */
  async #until(what: string, isDone: () => boolean): Promise<void> {
    const done = (async () => {
      while (!isDone()) {
        if (this.crashes.length > maxCrashes) throw new Error(`Processes keep ending by themselves: ${this.crashes[0]}`)
        await new Promise<void>((resolve) => this.#listeners.push(resolve))
      }
    })()
    await this.#inTime(what, done)
  }

  async #inTime(what: string, done: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<never>((_, reject) => {
      const late = () =>
        reject(new Error(`Not all processes did ${what} within ${patienceMs / 1000} s: ${this.#states()}`))
      timer = setTimeout(late, patienceMs)
    })
    await Promise.race([done, tooLate]).finally(() => clearTimeout(timer))
  }

  #states(): string {
    return this.#workers.map(({ state, isResting }, seat) => `${seat} ${isResting ? 'resting' : state}`).join(', ')
  }

  #tell(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}
