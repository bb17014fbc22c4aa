/**
 * The whole page as it is answered to everybody without a wish of their own (a condition, a range, HEAD) during one second,
 * after which its Age is another; with what Node's adapters would otherwise make of it for each of them. Frozen, since
 * what one of them added would be sent to all.
 */
import type { Field, Fields, Reply } from './message.js'
import type { ReplyDraft } from './reply.js'
import type { Shape } from './shape.js'

export interface PreparedReply {
  readonly kind: 'page'
  readonly status: number
  readonly headers: Fields
  readonly body: Uint8Array
  readonly cacheStatus: string
  readonly ageSeconds: number | undefined
  /** Names and values in turn, as Node's `writeHead` takes them. */
  readonly lines: readonly string[]
  /** The body as a text of one byte a character, where it is short. */
  readonly text: string | undefined
}

export interface PreparedParts {
  readonly status: number
  readonly headers: Field[]
  readonly shape: Shape
  readonly cacheStatus: string
  readonly ageSeconds: number | undefined
}

export function prepareReply({ shape, headers, ...parts }: PreparedParts): PreparedReply {
  return Object.freeze({
    kind: 'page',
    ...parts,
    headers: Object.freeze(headers),
    lines: headers.flat(),
    text: shape.text,
    get body() {
      return shape.bytes
    },
  })
}

export function isPrepared(reply: ReplyDraft | (Reply & { kind: 'page' })): reply is PreparedReply {
  return 'lines' in reply
}
