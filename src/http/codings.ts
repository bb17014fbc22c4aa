/**
 * Precompressed variants: made once, when a page is rendered, and kept with it; or those that the store has anyway. zstd
 * where Node has it.
 *
 * Price: some milliseconds of a worker thread for each kept page of text, and a third more than the
 * compressed size in the store. What is short, compressed already, or not text is left alone.
 */
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import type { EncodedBody } from '../core/store.js'
import { type Fields, fieldOf } from './message.js'
import type { Encoded, StoredPage } from './stored-page.js'

export type Coding = 'br' | 'gzip' | 'zstd'

type Compress = (bytes: Uint8Array) => Promise<Uint8Array>
type Callback = (error: Error | null, bytes: Buffer) => void

const { constants } = zlib
// Node 22.15 and 23.8 have it; the types of older ones do not.
const zstd = (zlib as { zstdCompress?: (bytes: Uint8Array, callback: Callback) => void }).zstdCompress

const compressors: Readonly<Partial<Record<Coding, Compress>>> = {
  br: (bytes) =>
    promisify(zlib.brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 5,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        // The usual window is 4 MB of memory, for whatever a page is long.
        [constants.BROTLI_PARAM_LGWIN]: Math.min(22, Math.max(10, Math.ceil(Math.log2(bytes.length + 16)))),
      },
    }),
  gzip: (bytes) => promisify(zlib.gzip)(bytes, { level: 6 }),
  ...(zstd !== undefined && { zstd: (bytes: Uint8Array) => promisify(zstd)(bytes) }),
}

const textual = /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|xhtml)|image\/svg\+xml)/i
const leastBytes = 1024

/** The variants of a page that are worth keeping: those a tenth smaller than the page itself. */
export async function compressed(headers: Fields, bytes: Uint8Array, codings: readonly Coding[]): Promise<Encoded[]> {
  if (!mayBeCoded(headers, bytes.length)) return []
  const made = await Promise.all(
    codings.map(async (coding): Promise<Encoded[]> => {
      const encoded = await compressors[coding]?.(bytes)
      return encoded === undefined || !isWorthIt(encoded, bytes.length)
        ? []
        : [{ coding, bytes: encoded, size: encoded.length }]
    }),
  )
  return made.flat()
}

/** `page`, of `size` bytes, with the variant that the store has of its body, if that is one of `codings`, and as good as one of our own. */
export function withStored(
  page: StoredPage,
  size: number,
  stored: EncodedBody | undefined,
  codings: readonly Coding[],
): StoredPage {
  if (stored === undefined || !codings.some((coding) => coding === stored.coding)) return page
  const { coding, bytes } = stored
  const isKnown = page.encodings.some((encoded) => encoded.coding === coding)
  if (isKnown || !mayBeCoded(page.headers, size) || !isWorthIt(bytes, size)) return page
  return { ...page, encodings: [...page.encodings, { coding, bytes, size: bytes.length }] }
}

function mayBeCoded(headers: Fields, size: number): boolean {
  const isCoded = fieldOf(headers, 'content-encoding') !== undefined
  const isFixed = /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(fieldOf(headers, 'cache-control') ?? '')
  return size >= leastBytes && !isCoded && !isFixed && textual.test(fieldOf(headers, 'content-type') ?? '')
}

function isWorthIt(encoded: Uint8Array, size: number): boolean {
  return encoded.length <= size * 0.9
}

/**
 * The smallest variant that a visitor with this `Accept-Encoding` takes at least as gladly as the page itself;
 * `undefined` for the page itself.
 */
export function chooseCoding(accepted: string | undefined, encodings: readonly Encoded[]): Encoded | undefined {
  if (encodings.length === 0 || accepted === undefined) return undefined
  const weights = new Map<string, number>()
  for (const member of accepted.split(',')) {
    const [name = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0)
  }
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get('*') ?? 0
  const usable = encodings.filter(
    ({ coding }) => weightOf(coding) > 0 && weightOf(coding) >= (weights.get('identity') ?? 0),
  )
  return usable.sort((a, b) => weightOf(b.coding) - weightOf(a.coding) || a.size - b.size)[0]
}
