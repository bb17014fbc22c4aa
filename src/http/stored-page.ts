/**
 * A page with what HTTP must know of it, and how that is written into the text that the cache keeps with a
 * page's bytes in one step. First a line of JSON, then one line of base64 for each precompressed variant, so that
 * a page and its variants come and go together.
 *
 * A page without such a text is a plain file: status 200, and a type that its name tells.
 */
import { type Fields, fieldOf, type PageRequest, requestField } from './message.js'

export interface StoredPage {
  readonly status: number
  readonly headers: Fields
  /** When the response came, and how old it was by then; both in milliseconds. */
  readonly respondedAtMs: number
  readonly ageMs: number
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** The request's fields that chose this response among others, with their values. */
  readonly vary: readonly (readonly [name: string, value: string | null])[]
  /** Names this page and its refreshed successors; other variants of it are found by this. */
  readonly stamp: string
  /** Whether its ETag was made here, so that the site does not know it. */
  readonly isTagOurs?: boolean
  /** Only for the request that brought it about. */
  readonly isOwn?: boolean
  /** A page past its time that stands in for one that could not be had. */
  readonly isStandIn?: boolean
  /** The status with which the site confirmed it (304), or failed to. */
  readonly originStatus?: number
  /** Why it is not kept. */
  readonly refusal?: string
  readonly encodings: readonly Encoded[]
}

/** A variant; of one that was kept, the bytes are decoded when they are asked for. */
export interface Encoded {
  readonly coding: string
  readonly bytes: Uint8Array
  /** About how long it is: what variants are compared by. */
  readonly size: number
}

const version = 1

export function encodeStored({ encodings, ...page }: StoredPage): string {
  const head = JSON.stringify({ v: version, ...page, codings: encodings.map(({ coding }) => coding) })
  return [head, ...encodings.map(({ bytes }) => Buffer.from(bytes).toString('base64'))].join('\n')
}

/** The page of `encodeStored`, or `undefined` for any other text. */
export function decodeStored(text: string): StoredPage | undefined {
  const [head = '', ...lines] = text.split('\n')
  try {
    const { v, codings, ...page } = JSON.parse(head)
    if (v !== version || !Array.isArray(codings) || codings.length !== lines.length) return undefined
    const encodings = codings.map((coding, index) => new KeptVariant(coding, lines[index] ?? ''))
    return { ...page, encodings }
  } catch {
    return undefined
  }
}

class KeptVariant implements Encoded {
  readonly coding: string
  readonly #text: string

  constructor(coding: string, text: string) {
    this.coding = coding
    this.#text = text
  }

  get bytes(): Uint8Array {
    return Buffer.from(this.#text, 'base64')
  }

  get size(): number {
    return this.#text.length * 0.75
  }
}

/** What `Vary` names, with the values that `request` has; the coding is this layer's own affair. */
export function varyOf(headers: Fields, request: PageRequest): StoredPage['vary'] {
  const names = new Set(
    (fieldOf(headers, 'vary') ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
  names.delete('')
  names.delete('accept-encoding')
  return [...names].sort().map((name) => [name, selectingValue(request, name)])
}

/** Whether `page` is what `request` chooses. */
export function isChosen(page: StoredPage, request: PageRequest): boolean {
  return page.vary.every(([name, value]) => selectingValue(request, name) === value)
}

/** White space around the members of a list makes no difference, nor does case to what is accepted (RFC 9111, 4.1). */
export function selectingValue(request: PageRequest, name: string): string | null {
  const value = requestField(request, name)
    ?.trim()
    .replace(/[ \t]*,[ \t]*/g, ',')
  return value === undefined ? null : /^accept(?:-|$)/.test(name) ? value.toLowerCase() : value
}
