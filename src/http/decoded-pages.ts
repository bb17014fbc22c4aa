/** What the metadata of pages says, read once for pages that are asked for often. Bounded by the length of the texts. */
import { LRUCache } from 'lru-cache'
import { decodeStored, type StoredPage } from './stored-page.js'

const mostCharacters = 4 * 1024 * 1024

export class DecodedPages {
  readonly #byText = new LRUCache<string, StoredPage>({
    maxSize: mostCharacters,
    sizeCalculation: (_page, text) => text.length + 1,
  })

  /** As `decodeStored`. */
  get(text: string): StoredPage | undefined {
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const page = decodeStored(text)
    if (page !== undefined) this.#byText.set(text, page)
    return page
  }
}
