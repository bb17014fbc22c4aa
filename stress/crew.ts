/** All processes of a run, as its parent sees them: started, killed, brought to rest, audited, closed. */
import path from 'node:path'
import type { AuditorPlan } from './auditor.js'
import type { Programs } from './bundle.js'
import { Member } from './member.js'
import type { StressOptions } from './options.js'
import { mixSeed, Random } from './random.js'
import { Site } from './site.js'
import type { WorkerPlan } from './worker.js'

const visitorsEach = 8
const evictorsEach = 2
/** A process that does not rest or answer in this time hangs. */
const patienceMs = 30_000
const maxCrashes = 20

export interface CrewPlan {
  readonly options: StressOptions
  readonly programs: Programs
  /** The run's own directory: `pages/`, `board`, `findings` in it. */
  readonly directory: string
  readonly redisUrl: string | undefined
}

export class Crew {
  kills = 0
  readonly crashes: string[] = []
  readonly #plan: CrewPlan
  readonly #random: Random
  readonly #workers: Member[]
  readonly #auditor: Member | undefined
  #listeners: (() => void)[] = []
  #audited = 0

  constructor(plan: CrewPlan) {
    this.#plan = plan
    this.#random = new Random(mixSeed(plan.options.seed, 3))
    const { processes, store } = plan.options
    this.#workers = Array.from({ length: processes }, (_, seat) =>
      this.#member(plan.programs.worker, (incarnation) => this.#workerPlan(seat, incarnation)),
    )
    if (store === 'disk') this.#auditor = this.#member(plan.programs.auditor, () => this.#auditorPlan())
  }

  /** How many seats there are: the workers, the auditor, and the one who comes last. */
  static seats(processes: number): number {
    return processes + 2
  }

  async start(): Promise<void> {
    for (const member of this.#members()) member.start()
    await this.#until('start', () => this.#members().every(({ state }) => state === 'ready'))
  }

  /** Kills one of the processes that work, now and then one that is starting. */
  kill(): void {
    const isAnyones = this.#random.isLess(0.05)
    const victims = this.#workers.filter(({ state }) => state === 'ready' || (isAnyones && state === 'starting'))
    if (victims.length === 0) return
    this.#random.pick(victims).kill()
    this.kills++
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
    const last = this.#member(this.#plan.programs.worker, () => ({
      ...this.#workerPlan(this.#workers.length + 1, 0),
      visitors: 0,
      evictors: [],
      jitterMs: 0,
    }))
    last.start()
    await this.#inTime('start and close', last.close())
  }

  /** Ends what is still there, after a failure. */
  abort(): void {
    for (const member of this.#members()) member.abort()
  }

  #members(): Member[] {
    return this.#auditor === undefined ? this.#workers : [...this.#workers, this.#auditor]
  }

  #member(program: string, plan: (incarnation: number) => object): Member {
    return new Member({
      program,
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
    const { store, protocol, jitterMs, processes, keys, seed } = options
    const writers = Math.max(1, Math.round(processes / 4))
    const isWriter = seat < writers
    const isVisited = !isWriter || processes === 1
    return {
      store,
      protocol,
      jitterMs,
      redisUrl,
      ...this.#places(),
      pages: keys,
      seat,
      seed: mixSeed(seed, seat, incarnation),
      visitors: isVisited ? visitorsEach : 0,
      evictors: isWriter ? this.#rowsOf(seat, writers) : [],
    }
  }

  /** Each row has one owner, for it has one writer. */
  #rowsOf(seat: number, writers: number): number[][] {
    const owned: number[][] = Array.from({ length: evictorsEach }, () => [])
    const { rows } = new Site(this.#plan.options.keys)
    for (let row = seat, at = 0; row < rows; row += writers, at++) owned[at % evictorsEach]?.push(row)
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
