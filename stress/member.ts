/**
 * One seat of the crew and the processes that take it, one after another.
 *
 * - starting: the process is there, and has not said that it is ready.
 * - ready: it works, or rests.
 * - gone: it has ended. Killed by us or dead by itself, the next one is started at once, unless it was told
 *   to close.
 */
import type { Launch, Launched } from './launch.js'

export interface MemberOptions {
  readonly launch: Launch
  /** The plan of the seat's nth process. */
  readonly plan: (incarnation: number) => object
  readonly reported: (member: Member, report: string) => void
  /** Told of a process that ended though nobody killed it. */
  readonly crashed: (member: Member, how: string) => void
}

export class Member {
  state: 'starting' | 'ready' | 'gone' = 'gone'
  /** When the process said that it was ready, in milliseconds of this process's clock. */
  readyAtMs = 0
  /** How long its last start took until then. */
  startMs = 0
  /** Whether the process has said that it rests. */
  isResting = false
  readonly #options: MemberOptions
  #process: Launched | undefined
  #incarnation = 0
  #startedAtMs = 0
  #isKilled = false
  #isClosing = false
  #isToRest = false
  #ended: Promise<void> = Promise.resolve()

  constructor(options: MemberOptions) {
    this.#options = options
  }

  start(): void {
    const { launch, plan } = this.#options
    this.#isKilled = false
    this.isResting = false
    this.state = 'starting'
    this.#startedAtMs = performance.now()
    this.#ended = new Promise((resolve) => {
      this.#process = launch(plan(this.#incarnation++), {
        reported: (report) => this.#hear(report),
        ended: (code, signal) => {
          this.#end(code, signal)
          resolve()
        },
      })
    })
    if (this.#isToRest) this.tell('rest')
  }

  /** `kill -9`; the next process is started as soon as this one has ended. */
  kill(): void {
    this.#isKilled = true
    this.#process?.kill()
  }

  rest(): void {
    this.#isToRest = true
    this.tell('rest')
  }

  go(): void {
    this.#isToRest = false
    this.isResting = false
    this.tell('go')
  }

  tell(order: string): void {
    // What a process that is just ending did not hear, the next one is told, if it still matters.
    this.#process?.tell(order)
  }

  /** Resolves when the process has ended in peace. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.tell('close')
    await this.#ended
  }

  /** Ends the process, whatever it does, for good. */
  abort(): void {
    this.#isClosing = true
    this.kill()
  }

  #hear(report: string): void {
    if (report === 'ready') {
      this.state = 'ready'
      this.readyAtMs = performance.now()
      this.startMs = this.readyAtMs - this.#startedAtMs
    }
    if (report === 'resting') this.isResting = true
    this.#options.reported(this, report)
  }

  #end(code: number | null, signal: string | null): void {
    this.state = 'gone'
    this.isResting = false
    const isInPeace = this.#isClosing && code === 0
    if (!this.#isKilled && !isInPeace) this.#options.crashed(this, `code ${code}, signal ${signal}`)
    if (!this.#isClosing) this.start()
  }
}
