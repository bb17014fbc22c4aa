/**
 * Reads from a Keyv in which one damaged record is not the end of all: what cannot be decoded (cut, written by
 * somebody else, of another serializer) is as if it were not there, which is always safe (rule 2 of stamps.ts), and is
 * told. Keyv 5 throws at such a record, and its iterator ends there; Keyv 6 emits `error`, which looks like a failure of
 * whatever is being done at that moment.
 *
 * The instance is left alone: what reads is an object that inherits from it and decodes in another way.
 */
import type { KeyvLike } from './keyv-like.js'

/** Stands for a record that could not be decoded. */
class Damage {
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

export interface Listed {
  /** As the iterator gives it. */
  readonly name: string
  /** `undefined` where it is damaged. */
  readonly record: unknown
}

export class Records {
  readonly #keyv: KeyvLike
  readonly #reading: Reading
  readonly #damaged: (name: string, cause: unknown) => void

  /** `damaged` is told of each record that cannot be decoded, each time it is met. */
  constructor(keyv: KeyvLike, damaged: (name: string, cause: unknown) => void) {
    this.#keyv = keyv
    this.#reading = readingOf(keyv)
    this.#damaged = damaged
  }

  /** What is kept under these names, in their order. Rejects with what the adapter says. */
  async readMany(names: string[]): Promise<unknown[]> {
    const found = await this.#reading.getMany(names)
    return names.map((name, index) => this.#intact(name, found[index]))
  }

  /** All that the adapter holds; throws, or ends early, where it fails. */
  async *walk(): AsyncGenerator<Listed> {
    for await (const pair of iteratorOf(this.#keyv, this.#reading)) {
      if (!Array.isArray(pair) || pair[1] === undefined || pair[1] === null) continue
      const name = String(pair[0])
      yield { name, record: this.#intact(name, pair[1]) }
    }
  }

  #intact(name: string, record: unknown): unknown {
    if (!(record instanceof Damage)) return record
    this.#damaged(name, record.cause)
    return undefined
  }
}

/** The decoding of Keyv 5 and of Keyv 6, and how Keyv 5 makes its iterator. */
interface Reading extends KeyvLike {
  deserializeData?(raw: unknown): Promise<unknown>
  decode?(raw: unknown): Promise<unknown>
  generateIterator?(source: unknown): () => AsyncIterable<unknown>
  emit?(event: string, ...details: unknown[]): unknown
}

type Decode = (raw: unknown) => Promise<unknown> | undefined

function readingOf(keyv: Reading): Reading {
  const five: Decode = (raw) => keyv.deserializeData?.(raw)
  const six: Decode = (raw) => decodeSilently(keyv, raw)
  return Object.create(keyv, {
    ...(keyv.deserializeData && { deserializeData: { value: orDamage(five) } }),
    ...(keyv.decode && { decode: { value: orDamage(six) } }),
  }) as Reading
}

function orDamage(decode: Decode): Decode {
  return async (raw) => {
    // Expired while the iterator was on its way to it.
    if (raw === undefined || raw === null) return { value: undefined }
    try {
      const data = await decode(raw)
      if (typeof data === 'object' && data !== null) return data
      throw new TypeError(`Expected what Keyv has written, got ${data === null ? 'null' : typeof data}`)
    } catch (cause) {
      return { value: new Damage(cause) }
    }
  }
}

/** With the `error` events of the decoding thrown, and kept from others. */
async function decodeSilently(keyv: Reading, raw: unknown): Promise<unknown> {
  let failure: { readonly cause: unknown } | undefined
  const emit = (event: string, ...details: unknown[]) => {
    if (event !== 'error') return keyv.emit?.(event, ...details)
    failure ??= { cause: details[0] }
    return true
  }
  const data = await (Object.create(keyv, { emit: { value: emit } }) as Reading).decode?.(raw)
  if (failure !== undefined) throw failure.cause
  return data
}

/** Keyv 5 binds its iterator to the instance, so another is made, of the same source. */
function iteratorOf(keyv: KeyvLike, reading: Reading): AsyncIterable<unknown> {
  if (reading.generateIterator === undefined) return reading.iterator?.() ?? nothingListed()
  const adapter = keyv.store as { iterator?: (...details: unknown[]) => unknown } | undefined
  return reading.generateIterator(adapter instanceof Map ? adapter : adapter?.iterator?.bind(adapter))()
}

async function* nothingListed(): AsyncGenerator<never> {}
