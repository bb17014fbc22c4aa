/** pagekeep itself, from source: on disk, in memory, and on a Keyv (a Map, and files). */
import { readFileSync } from 'node:fs'
import { createCache } from '../../../src/index.js'
import { DiskStore } from '../../../src/stores/disk/index.js'
import { type KeyvLike, KeyvStore } from '../../../src/stores/keyv/index.js'
import { MemoryStore } from '../../../src/stores/memory.js'
import { load, type Peer, type PeerKind } from '../peer.js'
import { keyvOnFiles } from './keyv-file.js'

type Kept = ConstructorParameters<typeof KeyvStore>[0]['keyv']

function openOn(store: DiskStore | MemoryStore | KeyvStore): Peer {
  const cache = createCache({ store })
  return {
    getOrRender: ({ key, tags }, render) => cache.getOrRender(key, render, { tags }),
    read: ({ key }) => cache.get(key),
    invalidateKey: (key) => cache.evict(key),
    invalidateTag: (tag) => cache.evict({ tag }),
    close: () => cache.close(),
  }
}

const manifest = new URL('../../../package.json', import.meta.url)

export const pagekeep: PeerKind = {
  name: 'pagekeep',
  version: JSON.parse(readFileSync(manifest, 'utf8')).version,
  forms: [
    { name: 'disk', isOnDisk: true, open: async (directory) => openOn(new DiskStore({ directory })) },
    { name: 'memory', isOnDisk: false, open: async () => openOn(new MemoryStore()) },
    {
      name: 'Keyv on a Map',
      isOnDisk: false,
      open: async () => {
        const { Keyv } = await load<{ Keyv: new () => KeyvLike }>('keyv')
        return openOn(new KeyvStore({ keyv: new Keyv() as Kept }))
      },
    },
    {
      name: 'Keyv on keyv-file',
      isOnDisk: true,
      open: async (directory) => openOn(new KeyvStore({ keyv: (await keyvOnFiles(directory)) as Kept })),
    },
  ],
}
