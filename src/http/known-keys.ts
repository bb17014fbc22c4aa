/**
 * The keys of addresses that are asked for often. To make one takes longer than to find the page in memory, and for
 * the same host, path and query it is the same each time. Only keys are remembered, no refusals, and none that were made
 * of a cookie or by the site's own function, which sees the whole request. Bounded by the length of the texts.
 */
import { LRUCache } from 'lru-cache'
import { type PageRequest, requestField } from './message.js'
import { cookiePart, type PageKey, type PageKeyOptions, readKey } from './page-key.js'

const mostCharacters = 4 * 1024 * 1024
/** What an entry costs beside its texts, in characters. */
const overhead = 200

export class KnownKeys {
  readonly #options: PageKeyOptions
  readonly #isByHost: boolean
  readonly #byAddress = new LRUCache<string, PageKey>({
    maxSize: mostCharacters,
    sizeCalculation: ({ page, key, url }, address) => overhead + address.length + page.length + key.length + url.length,
  })

  constructor(options: PageKeyOptions) {
    this.#options = options
    this.#isByHost = options.hosts !== 'any'
  }

  /** As `readKey`. */
  read(request: PageRequest): PageKey | string {
    if (this.#isOwn(request)) return readKey(request, this.#options)
    const { url } = request
    // No host that is listed has a line's end in it.
    const address = this.#isByHost ? `${requestField(request, 'host')}\n${url}` : url
    const known = this.#byAddress.get(address)
    if (known !== undefined) return known
    const key = readKey(request, this.#options)
    if (typeof key !== 'string') this.#byAddress.set(address, key)
    return key
  }

  /** Whether its host and address do not say all. */
  #isOwn(request: PageRequest): boolean {
    if (this.#options.key !== undefined) return true
    const cookie = requestField(request, 'cookie')
    return cookie !== undefined && cookiePart(cookie, this.#options)?.part !== ''
  }
}
