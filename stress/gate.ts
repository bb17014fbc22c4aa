/**
 * Where the loops of one process rest: closed by `rest`, opened by `go`, left for good by `end`.
 * `resting` is called once everybody stands before the closed gate.
 */
export class Gate {
  readonly #loops: number
  readonly #resting: () => void
  #state: 'open' | 'closed' | 'ended' = 'open'
  #waiting: (() => void)[] = []

  constructor(loops: number, resting: () => void) {
    this.#loops = loops
    this.#resting = resting
  }

  /** False when the loop is to end. */
  async pass(): Promise<boolean> {
    while (this.#state === 'closed') {
      const opened = new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.#tellIfAllRest()
      await opened
    }
    return this.#state === 'open'
  }

  rest(): void {
    if (this.#state !== 'open') return
    this.#state = 'closed'
    this.#tellIfAllRest()
  }

  go(): void {
    if (this.#state === 'closed') this.#open('open')
  }

  end(): void {
    this.#open('ended')
  }

  #open(state: 'open' | 'ended'): void {
    this.#state = state
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  #tellIfAllRest(): void {
    if (this.#waiting.length === this.#loops) this.#resting()
  }
}
