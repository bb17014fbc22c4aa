/** async-cache-dedupe: a defined function, its references (tags), in memory. Its other storage is Redis. */
import { load, type Page, type Peer, type PeerKind, versionOf } from '../peer.js'

interface Call {
  readonly page: Page
  readonly render: () => Promise<string>
}

interface Cache {
  define(name: string, options: object, render: (call: Call) => Promise<string>): void
  page(call: Call): Promise<string>
  get(name: string, key: string): Promise<string | undefined>
  clear(name: string, call: Pick<Call, 'page'>): Promise<void>
  invalidateAll(references: string[]): Promise<void>
}

interface Module {
  createCache(options: object): Cache
}

async function open(): Promise<Peer> {
  const { createCache } = await load<Module>('async-cache-dedupe')
  const cache = createCache({ ttl: 3600, storage: { type: 'memory', options: { invalidation: true } } })
  cache.define(
    'page',
    { serialize: ({ page }: Call) => page.key, references: ({ page }: Call) => [...page.tags] },
    ({ render }) => render(),
  )
  return {
    getOrRender: (page, render) => cache.page({ page, render }),
    read: ({ key }) => cache.get('page', `page~${key}`),
    invalidateKey: (key) => cache.clear('page', { page: { key, tags: [] } }),
    invalidateTag: (tag) => cache.invalidateAll([tag]),
    close: async () => undefined,
  }
}

export const asyncCacheDedupe: PeerKind = {
  name: 'async-cache-dedupe',
  version: versionOf('async-cache-dedupe'),
  forms: [{ name: 'memory', isOnDisk: false, open }],
}
