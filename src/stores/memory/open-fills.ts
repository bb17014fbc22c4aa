/**
 * The fills in flight of one process: a token object each, and which tags were evicted meanwhile.
 *
 * A key, subtree or pattern dooms the tokens it matches at once. Which tags a page has is known only
 * when it is published, so evicted tags are remembered with a position for as long as any fill is open:
 * a fill that began before the position and carries the tag is doomed then.
 */
export class Token {
  readonly key: string
  /** How many tags had been evicted when the fill began. */
  readonly position: number
  /** Resolves once the fill is over: then another may begin. */
  readonly ended: Promise<void>
  #isOver = false
  #resolve!: () => void

  constructor(key: string, position: number) {
    this.key = key
    this.position = position
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Whether it was published, abandoned or doomed: nothing can be kept by it any more. */
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
  readonly #evictedTags = new Map<string, number>()
  #position = 0

  open(key: string): Token {
    const token = new Token(key, this.#position)
    const others = this.#tokens.get(key)
    if (others === undefined) this.#tokens.set(key, new Set([token]))
    else others.add(token)
    return token
  }

  /** A fill of the key that is not over, if there is one. */
  liveOne(key: string): Token | undefined {
    return this.#tokens.get(key)?.values().next().value
  }

  close(token: Token): void {
    const tokens = this.#tokens.get(token.key)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#tokens.delete(token.key)
    if (this.#tokens.size === 0) this.#evictedTags.clear()
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

  evictTag(tag: string): void {
    this.#position++
    if (this.#tokens.size > 0) this.#evictedTags.set(tag, this.#position)
  }

  /** Whether a tag was evicted since the fill began. */
  sawTagEviction(token: Token): boolean {
    return this.#position > token.position
  }

  /** Whether one of these tags was evicted since the fill began. */
  isTouchedBy(token: Token, tags: readonly string[]): boolean {
    return this.sawTagEviction(token) && tags.some((tag) => (this.#evictedTags.get(tag) ?? 0) > token.position)
  }

  /** How many evicted tags are remembered. */
  get rememberedTags(): number {
    return this.#evictedTags.size
  }
}
