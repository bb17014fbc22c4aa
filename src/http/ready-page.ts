/**
 * A page with what does not change from one answer to the next: the fields of each coding it is sent in, and its bytes.
 * Made of a page once, when it is first answered; for a page in the memory of the store it stays as long as that.
 * What an answer adds is its Age, Cache-Status and Content-Length (reply.ts).
 */
import { chooseCoding } from './codings.js'
import { type Field, fieldOf, type PageRequest, requestField, without } from './message.js'
import type { PageContent } from './page-content.js'
import { Shape } from './shape.js'
import type { Encoded, StoredPage } from './stored-page.js'
import { tagOfCoding } from './validators.js'

const ofTheAnswer = new Set(['content-length', 'cache-status', 'age'])
const replacedByCoding = new Set(['etag', 'content-encoding'])

export class ReadyPage {
  readonly page: StoredPage
  /** What caches before this one said (RFC 9211), and how old they said it is. */
  readonly upstream: string | undefined
  readonly statedAge: string | undefined
  readonly #content: PageContent
  readonly #shapes = new Map<string, Shape>()
  #lastAccepted: string | undefined
  #lastChosen: Shape | undefined

  constructor(page: StoredPage, content: PageContent) {
    this.page = page
    this.#content = content
    this.upstream = fieldOf(page.headers, 'cache-status')
    this.statedAge = fieldOf(page.headers, 'age')
  }

  /** The page in the coding that the visitor likes best. */
  shapeFor(request: PageRequest): Shape {
    const accepted = requestField(request, 'accept-encoding')
    // Most visitors say what the one before them said.
    if (this.#lastChosen !== undefined && accepted === this.#lastAccepted) return this.#lastChosen
    const chosen = this.#shape(chooseCoding(accepted, this.page.encodings))
    this.#lastAccepted = accepted
    this.#lastChosen = chosen
    return chosen
  }

  /** The page itself, which ranges are cut from. */
  get plain(): Shape {
    return this.#shape(undefined)
  }

  #shape(variant: Encoded | undefined): Shape {
    const coding = variant?.coding ?? ''
    const known = this.#shapes.get(coding)
    if (known !== undefined) return known
    const shape = new Shape(fieldsOf(this.page, variant?.coding), variant?.bytes ?? this.#content)
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
