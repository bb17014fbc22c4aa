/** A process that reads one feed and holds its pages, seen from the benchmark: it is started and stopped by word. */
import { fork } from 'node:child_process'
import path from 'node:path'
import type { Scratch } from './scratch.js'

export interface ConsumerPlan {
  readonly url: string
  readonly schema: string
  /** Of its pages. */
  readonly directory: string
  readonly takesLease: boolean
}

export interface ConsumerAsk {
  readonly number: number
  readonly ask: 'start' | 'stop' | 'status' | 'close'
}

export interface ConsumerAnswer {
  readonly number: number
  /** Rows of the feed that it has read in its life. */
  readonly rows: number
  readonly wakeUp: string | undefined
  readonly state: string
  /** What was asked for took this long, by its own clock. */
  readonly tookMs: number
  /** What it has used of the processor so far. */
  readonly cpuMs: number
}

const patienceMs = 60_000

export class Consumer {
  readonly directory: string
  readonly #child
  readonly #waiting = new Map<number, (answer: ConsumerAnswer | Error) => void>()
  #number = 0

  constructor(plan: ConsumerPlan, scratch: Scratch) {
    this.directory = plan.directory
    this.#child = scratch.owns(
      fork(path.join(import.meta.dirname, 'consumer-child.ts'), [JSON.stringify(plan)], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    )
    this.#child.on('message', (answer: ConsumerAnswer) => this.#waiting.get(answer.number)?.(answer))
    this.#child.on('exit', (code) => {
      for (const settle of this.#waiting.values()) settle(new Error(`The consumer ended with ${code}`))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves when it has read the feed to its end. */
  start(): Promise<ConsumerAnswer> {
    return this.#ask('start')
  }

  stop(): Promise<ConsumerAnswer> {
    return this.#ask('stop')
  }

  status(): Promise<ConsumerAnswer> {
    return this.#ask('status')
  }

  close(): Promise<ConsumerAnswer> {
    return this.#ask('close')
  }

  #ask(ask: ConsumerAsk['ask']): Promise<ConsumerAnswer> {
    const number = ++this.#number
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(new Error(`The consumer did not ${ask} in time`)), patienceMs)
      const settle = (answer: ConsumerAnswer | Error) => {
        clearTimeout(timer)
        this.#waiting.delete(number)
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      }
      this.#waiting.set(number, settle)
      this.#child.send({ number, ask } satisfies ConsumerAsk)
    })
  }
}
