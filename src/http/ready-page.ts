/**
 * A page with what does not change from one answer to the next: its bytes, and the fields of each coding it is sent
 * in. Made of a page once, when it is first answered; for a page in the memory of the store it stays as long as that.
 * What an answer adds is its Age, Cache-Status and Content-Length (reply.ts).
 */
import type { PageBody } from '../core/store.js'
import { parseHttpDate } from './http-date.js'
import { type Field, type Fields, fieldOf, without } from './message.js'
import type { Encoded, StoredPage } from './stored-page.js'
import { tagOfCoding } from './validators.js'

/** The page in one coding. */
export interface Shape {
  /** All but those that each answer has of its own. */
  readonly fields: Fields
  readonly bytes: Uint8Array
  readonly etag: string | undefined
  readonly modifiedMs: number | undefined
}

const ofTheAnswer = new Set(['content-length', 'cache-status', 'age'])
const replacedByCoding = new Set(['etag', 'content-encoding'])

export class ReadyPage {
  readonly page: StoredPage
  /** What caches before this one said (RFC 9211), and how old they said it is. */
  readonly upstream: string | undefined
  readonly statedAge: string | undefined
  readonly #body: PageBody
  readonly #shapes = new Map<string, Shape>()

  constructor(page: StoredPage, body: PageBody) {
    this.page = page
    this.#body = body
    this.upstream = fieldOf(page.headers, 'cache-status')
    this.statedAge = fieldOf(page.headers, 'age')
  }

  shape(variant: Encoded | undefined): Shape {
    const coding = variant?.coding ?? ''
    const known = this.#shapes.get(coding)
    if (known !== undefined) return known
    const fields = fieldsOf(this.page, variant?.coding)
    const shape: Shape = {
      fields,
      // Bytes, for a text would be encoded anew for each socket.
      bytes: variant?.bytes ?? (typeof this.#body === 'string' ? Buffer.from(this.#body) : this.#body),
      etag: fieldOf(fields, 'etag'),
      modifiedMs: parseHttpDate(fieldOf(fields, 'last-modified')),
    }
    this.#shapes.set(coding, shape)
    return shape
  }
}

function fieldsOf(page: StoredPage, coding: string | undefined): Field[] {
  const headers = without(page.headers, ofTheAnswer)
  if (page.encodings.length > 0) addToVary(headers, 'Accept-Encoding')
  if (coding === undefined) return headers
  const etag = fieldOf(headers, 'etag')
  const coded = without(headers, replacedByCoding)
  if (etag !== undefined) coded.push(['ETag', tagOfCoding(etag, coding)])
  coded.push(['Content-Encoding', coding])
  return coded
}

function addToVary(headers: Field[], name: string): void {
  const vary = fieldOf(headers, 'vary')
  if (vary?.toLowerCase().includes(name.toLowerCase())) return
  const index = headers.findIndex(([other]) => other.toLowerCase() === 'vary')
  if (index === -1) headers.push(['Vary', name])
  else headers[index] = ['Vary', `${headers[index]?.[1]}, ${name}`]
}
