/** Another process on the store under test, as the contract sees it (store-process.ts is its inside). */
import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { SelectorInput } from '../../core/selector.js'
import type { StoreProcess } from '../store-contract.js'
import type { AskOrder, Order, Word } from '../store-process.js'

export interface Answers {
  readonly answers: readonly string[]
  readonly count: number
}

/** Enough for node and a loader of TypeScript, and soon used up. */
const fewFiles = 256
const startMs = 60_000

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

export class Actor {
  /** How many renders it has begun. */
  renders = 0
  readonly #child: ChildProcess
  readonly #patienceMs: number
  readonly #ended: Promise<unknown>
  readonly #heard: Word[] = []
  readonly #listeners = new Set<() => void>()
  #orders = 0
  #finishesWith: string | undefined

  /** Starts the program; it is not ready yet. With few files it may open no more than 256. */
  constructor(plan: StoreProcess, patienceMs: number, hasFewFiles = false) {
    this.#patienceMs = patienceMs
    const { program, argument, execArgv = [] } = plan
    this.#child = hasFewFiles
      ? spawn(
          'sh',
          ['-c', `ulimit -n ${fewFiles} && exec "$0" "$@"`, process.execPath, ...execArgv, program, argument],
          {
            stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          },
        )
      : fork(program, [argument], { execArgv: [...execArgv] })
    this.#child.on('message', (word: Word) => this.#hear(word))
    this.#ended = once(this.#child, 'exit').then(() => this.#tell())
  }

  /** However long the machine takes to start a process: that says nothing about the store. */
  ready(): Promise<Word> {
    return this.#says('is ready', (word) => word.kind === 'ready', Math.max(this.#patienceMs, startMs))
  }

  /** So many concurrent calls. Without a `body` the render waits for `finish`. */
  async ask(key: string, options: Partial<AskOrder> = {}): Promise<Answers> {
    const order = { act: 'ask', key, callers: 1, tags: [], ...options } as const
    return (await this.#do(order)) as Answers
  }

  /** Resolves when it has begun so many renders since it was started. */
  async rendering(renders = 1): Promise<this> {
    await this.#until('renders', () => this.renders >= renders)
    return this
  }

  /** Resolves when the callers of its last `ask` have called. */
  async hasAsked(): Promise<void> {
    await this.#says('has asked', (word) => word.kind === 'asked')
  }

  /** The render under way makes this. */
  async finish(body: string): Promise<void> {
    await this.#do({ act: 'finish', body })
  }

  /** Every render makes this, as soon as it has begun; one under way too. */
  async finishAlways(body: string): Promise<void> {
    this.#finishesWith = body
    if (this.renders > 0) await this.finish(body)
  }

  async evict(...selectors: SelectorInput[]): Promise<void> {
    await this.#do({ act: 'evict', selectors })
  }

  async get(key: string): Promise<unknown> {
    return (await this.#do({ act: 'get', key })) ?? undefined
  }

  /** It can open no file from now on; resolves to how many it had left. */
  async exhaust(): Promise<number> {
    return (await this.#do({ act: 'exhaust' })) as number
  }

  async recover(): Promise<void> {
    await this.#do({ act: 'recover' })
  }

  /** `kill -9`, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #do(order: WithoutId<Order>): Promise<unknown> {
    const id = ++this.#orders
    this.#child.send({ ...order, id })
    const word = await this.#says(`does "${order.act}"`, (said) => 'id' in said && said.id === id)
    if (word.kind === 'failed') throw Object.assign(new Error(word.reason), { code: word.code })
    return word.kind === 'done' ? word.result : undefined
  }

  async #says(what: string, isWanted: (word: Word) => boolean, patienceMs = this.#patienceMs): Promise<Word> {
    await this.#until(what, () => this.#heard.some(isWanted), patienceMs)
    return this.#heard.find(isWanted) as Word
  }

  async #until(what: string, isTrue: () => boolean, patienceMs = this.#patienceMs): Promise<void> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#tell()
    }, patienceMs)
    try {
      while (!isTrue()) {
        const isGone = this.#child.exitCode !== null || this.#child.signalCode !== null
        assert.ok(!isLate && !isGone, `expected that the process ${what}${isGone ? '; it has ended' : ''}`)
        await new Promise<void>((resolve) => this.#listeners.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #hear(word: Word): void {
    this.#heard.push(word)
    if (word.kind === 'rendering') {
      this.renders++
      // Its end, if the process is killed before, interests nobody.
      if (this.#finishesWith !== undefined) this.finish(this.#finishesWith).catch(() => undefined)
    }
    this.#tell()
  }

  #tell(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }
}
