/**
 * JSON that remembers on which line each value stands, and says where it is broken: `JSON.parse` does neither
 * on the oldest Node that is supported. Takes what RFC 8259 takes, and `//` comments.
 */

export interface PlacedJson {
  readonly value: unknown
  /** The line of a value, by its path: `store.directory`, `rules[0].table`. */
  readonly lines: ReadonlyMap<string, number>
}

export class JsonError extends Error {
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** Throws `JsonError`. */
export function readJson(text: string): PlacedJson {
  const reader = new Reader(text)
  const value = reader.whole()
  return { value, lines: reader.lines }
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const string = /"(?:[^"\\\n]|\\.)*"/y
const blank = /(?:\s+|\/\/[^\n]*)*/y
const words = { true: true, false: false, null: null }

class Reader {
  readonly lines = new Map<string, number>()
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): unknown {
    const value = this.#value('')
    this.#skip()
    if (this.#at < this.#text.length) throw this.#broken('the end')
    return value
  }

  #value(path: string): unknown {
    this.#skip()
    this.lines.set(path, this.#line())
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(path)
    if (first === '[') return this.#array(path)
    if (first === '"') return this.#string()
    const digits = this.#match(number)
    if (digits !== undefined) return Number(digits)
    for (const [word, value] of Object.entries(words)) {
      if (!this.#text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    throw this.#broken('a value')
  }

  #object(path: string): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    this.#at++
    if (this.#takes('}')) return object
    do {
      this.#skip()
      if (this.#text[this.#at] !== '"') throw this.#broken('a name in double quotes')
      const line = this.#line()
      const name = this.#string()
      if (!this.#takes(':')) throw this.#broken('":"')
      const place = path === '' ? name : `${path}.${name}`
      Object.defineProperty(object, name, {
        value: this.#value(place),
        enumerable: true,
        configurable: true,
        writable: true,
      })
      this.lines.set(place, line)
    } while (this.#takes(','))
    if (!this.#takes('}')) throw this.#broken('"," or "}"')
    return object
  }

  #array(path: string): unknown[] {
    const array: unknown[] = []
    this.#at++
    if (this.#takes(']')) return array
    do array.push(this.#value(`${path}[${array.length}]`))
    while (this.#takes(','))
    if (!this.#takes(']')) throw this.#broken('"," or "]"')
    return array
  }

  #string(): string {
    const quoted = this.#match(string)
    if (quoted === undefined) throw this.#broken('the end of a text in double quotes')
    try {
      return JSON.parse(quoted) as string
    } catch {
      throw this.#broken('a text whose "\\" and control characters are written as JSON has them')
    }
  }

  #takes(character: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skip(): void {
    this.#match(blank)
  }

  #match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at
    const found = expression.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #line(): number {
    return this.#text.slice(0, this.#at).split('\n').length
  }

  #broken(wanted: string): JsonError {
    const rest = this.#text.slice(this.#at, this.#at + 20).split('\n')[0]
    const found = this.#at >= this.#text.length ? 'the end of the file' : `"${rest}"`
    return new JsonError(`expected ${wanted}, got ${found}`, this.#line())
  }
}
