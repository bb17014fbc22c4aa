/**
 * What is kept under `p/<key>`: the page and the stamps it was made under. Plain JSON values only, with bytes
 * as base64, so that it comes out of every serializer as it went in.
 */
import type { KeptPage, NewPage } from '../../core/store.js'
import { stampOfTag, stampsAbove } from './stamps.js'

export interface Entry extends Omit<KeptPage, 'body'> {
  /** An adapter may change names (Keyv 6's `sanitize` does): the page of another key is noticed by this. */
  readonly key: string
  readonly text?: string
  readonly base64?: string
  /** In the order of `stampsAbove(key)`. */
  readonly stamps: readonly string[]
  /** Tags with their stamps. */
  readonly tags: readonly (readonly [tag: string, stamp: string])[]
  /** The stamps that the pages it is made of are under, by name. */
  readonly inherited?: readonly Stamped[]
}

/** The name of a stamp, and the stamp that was there. */
export type Stamped = readonly [name: string, stamp: string]

export const entryName = (key: string) => `p/${key}`

export function makeEntry(
  key: string,
  page: NewPage,
  { stamps, tags, inherited }: Pick<Entry, 'stamps' | 'tags'> & { readonly inherited: readonly Stamped[] },
): Entry {
  const { body, tags: _, parts: _parts, isPart: _isPart, ...rest } = page
  const content = typeof body === 'string' ? { text: body } : { base64: bytesOf(body).toString('base64') }
  return { key, ...rest, ...content, stamps, tags, ...(inherited.length > 0 && { inherited }) }
}

/** Returns `record` when it is an entry, whole. */
export function entryOf(record: unknown): Entry | undefined {
  const entry = (record ?? {}) as Partial<Entry>
  const hasBody = typeof entry.text === 'string' || typeof entry.base64 === 'string'
  const isWhole =
    typeof entry.key === 'string' &&
    [entry.stamps, entry.tags, entry.inherited ?? []].every((list) => Array.isArray(list))
  return hasBody && isWhole && typeof entry.renderBeganAtMs === 'number' ? (entry as Entry) : undefined
}

export function pageOf(entry: Entry): KeptPage {
  const { key: _key, stamps: _stamps, tags: _tags, inherited: _inherited, text, base64, ...rest } = entry
  return { ...rest, body: text ?? Buffer.from(base64 ?? '', 'base64') }
}

/** Every stamp that the page is under: those of its key and directories, of its tags, and of its parts. */
export function stampedOf(entry: Pick<Entry, 'key' | 'stamps' | 'tags' | 'inherited'>): Stamped[] {
  const own = stampsAbove(entry.key).map((name, index): Stamped => [name, entry.stamps[index] ?? ''])
  return [...own, ...entry.tags.map(([tag, stamp]): Stamped => [stampOfTag(tag), stamp]), ...(entry.inherited ?? [])]
}

/** The stamps of all parts; `undefined` when two parts have seen different ones, so that one of them is old. */
export function stampsOfParts(lineages: readonly string[] = []): Stamped[] | undefined {
  const stamps = new Map<string, string>()
  for (const [name, stamp] of lineages.flatMap((lineage) => JSON.parse(lineage) as Stamped[])) {
    if ((stamps.get(name) ?? stamp) !== stamp) return undefined
    stamps.set(name, stamp)
  }
  return [...stamps]
}

function bytesOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
