/** lru-cache: its `fetch` with a `fetchMethod`. Memory, no tags. */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'

type Render = () => Promise<string>

interface Cache {
  fetch(key: string, options: { context: Render }): Promise<string | undefined>
  get(key: string): string | undefined
  delete(key: string): boolean
}

interface Options {
  readonly max: number
  readonly fetchMethod: (key: string, stale: unknown, options: { context: Render }) => Promise<string>
}

interface Module {
  LRUCache: new (options: Options) => Cache
}

async function open(): Promise<Peer> {
  const { LRUCache } = await load<Module>('lru-cache')
  const cache = new LRUCache({ max: 1000, fetchMethod: (_key, _stale, { context }) => context() })
  return {
    getOrRender: ({ key }, render) => cache.fetch(key, { context: render }),
    read: async ({ key }) => cache.get(key),
    invalidateKey: async (key) => cache.delete(key),
    close: async () => undefined,
  }
}

export const lruCache: PeerKind = {
  name: 'lru-cache fetch()',
  version: versionOf('lru-cache'),
  forms: [{ name: 'memory', isOnDisk: false, open }],
}
