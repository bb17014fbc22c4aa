/** cacheable: `getOrSet`; tags are an option of `set` alone, so the tagged page is `get`, render, `set`. */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'
import { keyvOnFiles } from './keyv-file.js'

interface Cache {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string, options: { tags: string[] }): Promise<boolean>
  getOrSet(key: string, render: () => Promise<string>): Promise<string | undefined>
  delete(key: string): Promise<boolean>
  tags: { invalidateTag(tag: string): Promise<void> }
  disconnect(): Promise<void>
}

interface Module {
  Cacheable: new (options: { primary?: unknown; tags: boolean }) => Cache
}

async function open(primary?: unknown): Promise<Peer> {
  const { Cacheable } = await load<Module>('cacheable')
  const cache = new Cacheable({ ...(primary !== undefined && { primary }), tags: true })
  return {
    async getOrRender({ key, tags }, render) {
      if (tags.length === 0) return cache.getOrSet(key, render)
      const kept = await cache.get(key)
      if (kept !== undefined) return kept
      const page = await render()
      await cache.set(key, page, { tags: [...tags] })
      return page
    },
    read: ({ key }) => cache.get(key),
    invalidateKey: (key) => cache.delete(key),
    invalidateTag: (tag) => cache.tags.invalidateTag(tag),
    close: () => cache.disconnect(),
  }
}

const note = 'Tags are an option of set(), not of getOrSet(): the tagged page is get, render, set by hand.'

export const cacheable: PeerKind = {
  name: 'cacheable',
  version: versionOf('cacheable'),
  forms: [
    { name: 'memory', isOnDisk: false, note, open: () => open() },
    { name: 'keyv-file', isOnDisk: true, note, open: async (directory) => open(await keyvOnFiles(directory)) },
  ],
}
