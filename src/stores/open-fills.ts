/**
 * The fills in flight of one process, by key: who is under way, who was doomed here, who waits.
 *
 * For stores whose single flight ends at the process. It dooms what this process evicts; what another
 * process evicts, the store must find out at publish.
 */

/** Stands for one fill. It is open, then over: published, abandoned or doomed. */
export class Token {
  readonly key: string
  /** Resolves once the fill is over: then another may begin. */
  readonly ended: Promise<void>
  #isOver = false
  #resolve!: () => void

  constructor(key: string) {
    this.key = key
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Nothing can be kept by it any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  end(): void {
    this.#isOver = true
    this.#resolve()
  }
}

export class OpenFills {
  readonly #tokens = new Map<string, Set<Token>>()

  /** How many keys have a fill under way. */
  get size(): number {
    return this.#tokens.size
  }

  open(key: string): Token {
    const token = new Token(key)
    const others = this.#tokens.get(key)
    if (others === undefined) this.#tokens.set(key, new Set([token]))
    else others.add(token)
    return token
  }

  /** The oldest fill of the key that is not over, if there is one. */
  get(key: string): Token | undefined {
    return this.#tokens.get(key)?.values().next().value
  }

  close(token: Token): void {
    const tokens = this.#tokens.get(token.key)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#tokens.delete(token.key)
    token.end()
  }

  /** Dooms the fills of one key, returns how many. */
  doom(key: string): number {
    const tokens = [...(this.#tokens.get(key) ?? [])]
    for (const token of tokens) this.close(token)
    return tokens.length
  }

  doomMatching(matches: (key: string) => boolean): number {
    return [...this.#tokens.keys()].filter(matches).reduce((count, key) => count + this.doom(key), 0)
  }
}
