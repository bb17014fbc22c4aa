/**
 * A page in one coding, with all that is the same for every visitor, and the last answer that had no wishes: whoever asks
 * for the whole page in the same second gets that answer again.
 */
import { isAscii } from 'node:buffer'
import type { PageBody, StreamedBody } from '../core/store.js'
import { parseHttpDate } from './http-date.js'
import { type Fields, fieldOf } from './message.js'
import { isStreamed, type PageContent, type StreamedPart, sizeOf } from './page-content.js'
import type { PreparedReply } from './prepared-reply.js'

/**
 * The most characters that are sent as text. Node joins head and text in one string, which it copies; bytes are sent from
 * where they lie, but take Node another way, which costs as much as copying this.
 */
const mostTextual = 16 * 1024

export class Shape {
  /** All but those that each answer has of its own. */
  readonly fields: Fields
  readonly size: number
  readonly etag: string | undefined
  readonly modifiedMs: number | undefined
  /** The page, where it is short and ASCII: then its characters are its bytes. */
  readonly text: string | undefined
  lastWhole: PreparedReply | undefined
  /** What sends the page where it is too large to lie in memory. */
  readonly streamed: StreamedBody | undefined
  #body: PageBody

  constructor(fields: Fields, content: PageContent) {
    this.fields = fields
    this.size = sizeOf(content)
    this.etag = fieldOf(fields, 'etag')
    this.modifiedMs = parseHttpDate(fieldOf(fields, 'last-modified'))
    this.streamed = isStreamed(content) ? content : undefined
    this.#body = isStreamed(content) ? '' : content
    this.text = this.size <= mostTextual ? asciiOf(this.#body, this.size) : undefined
  }

  /** The bytes from `start` on, without the one at `end`. */
  part(start: number, end: number): Uint8Array | StreamedPart {
    return this.streamed === undefined ? this.bytes.subarray(start, end) : { streamed: this.streamed, start, end }
  }

  get bytes(): Uint8Array {
    // Encoded once: whoever needs bytes needs them again.
    if (typeof this.#body === 'string') this.#body = Buffer.from(this.#body)
    return this.#body
  }
}

function asciiOf(body: PageBody, size: number): string | undefined {
  if (typeof body === 'string') return body.length === size ? body : undefined
  return isAscii(body) ? Buffer.from(body.buffer, body.byteOffset, size).toString('latin1') : undefined
}
