/** What a request that changes something makes invalid: RFC 9111, 4.4. */
import type { PageCache } from '../core/cache.js'
import type { SelectorInput } from '../core/selector.js'
import { type Fields, fieldOf, type PageRequest, requestField } from './message.js'
import { type PageKeyOptions, readKey } from './page-key.js'

export class Invalidation {
  readonly #options: PageKeyOptions & { readonly cache: PageCache }

  constructor(options: PageKeyOptions & { readonly cache: PageCache }) {
    this.#options = options
  }

  /**
   * Evicts the page that was asked for, and those of the same host that `Location` and `Content-Location` name, with
   * their variants, unless the request failed. Rejects as `cache.evict` does.
   */
  async after(request: PageRequest, status: number, headers: Fields): Promise<void> {
    if (status < 200 || status >= 400) return
    const urls = [request.url]
    for (const name of ['location', 'content-location']) {
      const target = sameHost(fieldOf(headers, name), request)
      if (target !== undefined) urls.push(target)
    }
    const selectors = urls.flatMap((url) => this.#selectors({ ...request, url }))
    if (selectors.length > 0) await this.#options.cache.evict([...new Set(selectors)])
  }

  #selectors(request: PageRequest): SelectorInput[] {
    const options = { ...this.#options, query: 'all', ignoredCookies: 'all' } as const
    const key = readKey({ ...request, headers: { host: request.headers.host } }, options)
    return typeof key === 'string' ? [] : [key.page, `${key.page}@*`, key.key]
  }
}

/** The path and query of `reference`, when it is of the host that was asked. */
function sameHost(reference: string | undefined, request: PageRequest): string | undefined {
  if (reference === undefined) return undefined
  try {
    const base = new URL(request.url, `http://${requestField(request, 'host') ?? 'localhost'}`)
    const target = new URL(reference, base)
    return target.host === base.host ? `${target.pathname}${target.search}` : undefined
  } catch {
    return undefined
  }
}
