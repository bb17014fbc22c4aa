/** cache-manager: `wrap`, in memory and on files. It has no tags. */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'
import { keyvOnFiles } from './keyv-file.js'

interface Cache {
  wrap(key: string, render: () => Promise<string>): Promise<string>
  get(key: string): Promise<string | undefined>
  del(key: string): Promise<boolean>
  disconnect(): Promise<void>
}

interface Module {
  createCache(options?: { stores: unknown[] }): Cache
}

async function open(store?: unknown): Promise<Peer> {
  const { createCache } = await load<Module>('cache-manager')
  const cache = store === undefined ? createCache() : createCache({ stores: [store] })
  return {
    getOrRender: ({ key }, render) => cache.wrap(key, render),
    read: ({ key }) => cache.get(key),
    invalidateKey: (key) => cache.del(key),
    close: () => cache.disconnect(),
  }
}

export const cacheManager: PeerKind = {
  name: 'cache-manager',
  version: versionOf('cache-manager'),
  forms: [
    { name: 'memory', isOnDisk: false, open: () => open() },
    { name: 'keyv-file', isOnDisk: true, open: async (directory) => open(await keyvOnFiles(directory)) },
  ],
}
