/**
 * The content codings (RFC 9110, 8.4.1) that the pages of a directory may lie in, all of them in one: `identity` is as
 * they are. Which one it is, the directory says (settle-coding.ts); what it makes of names, layout.ts.
 *
 * A page is coded at once where that takes well under a millisecond, else on a thread of the pool. Decoding is bounded:
 * a small file can claim to be gigabytes.
 */
import { promisify } from 'node:util'
import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
} from 'node:zlib'
import { errnoOf } from './disk-error.js'

export const contentCodings = ['identity', 'gzip', 'br'] as const
export type ContentCoding = (typeof contentCodings)[number]

/** What it adds to the name of a page's file: what web servers look for. */
export const suffixes: Readonly<Record<ContentCoding, string>> = { identity: '', gzip: '.gz', br: '.br' }

/** The longest page, in bytes, that is kept in a coding, and that is read from one. */
export const maxCodedBytes = 64 * 1024 * 1024

/** Longer pages are coded on a thread. */
const promptBytes = 16 * 1024

interface Coder {
  encodeNow(bytes: Uint8Array): Buffer
  encodeLater(bytes: Uint8Array): Promise<Buffer>
  decodeNow(bytes: Uint8Array, maxOutputLength: number): Buffer
  decodeLater(bytes: Uint8Array, maxOutputLength: number): Promise<Buffer>
}

const later = {
  gzip: promisify(gzip) as (bytes: Uint8Array, options: object) => Promise<Buffer>,
  gunzip: promisify(gunzip) as (bytes: Uint8Array, options: object) => Promise<Buffer>,
  compress: promisify(brotliCompress) as (bytes: Uint8Array, options: object) => Promise<Buffer>,
  decompress: promisify(brotliDecompress) as (bytes: Uint8Array, options: object) => Promise<Buffer>,
}

const coders: Readonly<Record<Exclude<ContentCoding, 'identity'>, Coder>> = {
  gzip: {
    encodeNow: (bytes) => gzipSync(bytes, { level: 6 }),
    encodeLater: (bytes) => later.gzip(bytes, { level: 6 }),
    decodeNow: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
    decodeLater: (bytes, maxOutputLength) => later.gunzip(bytes, { maxOutputLength }),
  },
  br: {
    encodeNow: (bytes) => brotliCompressSync(bytes, brotliOptions(bytes)),
    encodeLater: (bytes) => later.compress(bytes, brotliOptions(bytes)),
    decodeNow: (bytes, maxOutputLength) => brotliDecompressSync(bytes, { maxOutputLength }),
    decodeLater: (bytes, maxOutputLength) => later.decompress(bytes, { maxOutputLength }),
  },
}

/** What is written for a page of these bytes; a promise where it takes long. Throws `RangeError` for one that is too long. */
export function encodeBody(coding: ContentCoding, bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
  if (coding === 'identity') return bytes
  if (bytes.length > maxCodedBytes) {
    throw new RangeError(
      `it is ${bytes.length} bytes long, and the limit for pages that are kept in ${coding} is ${maxCodedBytes}`,
    )
  }
  const coder = coders[coding]
  // Of a copy, for who handed the bytes over may use them again.
  return bytes.length > promptBytes ? coder.encodeLater(Buffer.from(bytes)) : coder.encodeNow(bytes)
}

/**
 * The bytes of the page that was written so; `large` where they are more than `maxBytes`. Throws what zlib says of a
 * file that is cut short or damaged: gzip by its checksum, br only where it makes no sense any more.
 */
export function decodeBody(coding: ContentCoding, bytes: Buffer, maxBytes: number): Buffer | 'large' {
  if (coding === 'identity') return bytes
  const limit = Math.min(maxBytes, maxCodedBytes)
  try {
    return coders[coding].decodeNow(bytes, limit)
  } catch (thrown) {
    if (limit < maxCodedBytes && errnoOf(thrown) === 'ERR_BUFFER_TOO_LARGE') return 'large'
    throw thrown
  }
}

/** The same on a thread, whatever its length. */
export async function decodeBodyLater(coding: ContentCoding, bytes: Buffer): Promise<Buffer> {
  return coding === 'identity' ? bytes : coders[coding].decodeLater(bytes, maxCodedBytes)
}

function brotliOptions(bytes: Uint8Array) {
  return {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      // The usual window is 4 MB of memory, for whatever a page is long.
      [constants.BROTLI_PARAM_LGWIN]: Math.min(22, Math.max(10, Math.ceil(Math.log2(bytes.length + 16)))),
    },
  }
}
