/** bentocache: `getOrSet` with tags, in memory (L1), on files (L2), and both. */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'

interface Cache {
  getOrSet(options: { key: string; factory: () => Promise<string>; ttl: string; tags: string[] }): Promise<string>
  get(options: { key: string }): Promise<string | undefined>
  delete(options: { key: string }): Promise<boolean>
  deleteByTag(options: { tags: string[] }): Promise<boolean>
  disconnect(): Promise<void>
}

interface Stack {
  useL1Layer(driver: unknown): Stack
  useL2Layer(driver: unknown): Stack
}

interface Module {
  BentoCache: new (options: { default: string; stores: { pages: Stack } }) => Cache
  bentostore(): Stack
}

type Drivers = { memoryDriver(options: object): unknown; fileDriver(options: object): unknown }

type Layers = (stack: Stack, memory: unknown, file: unknown) => Stack

async function open(layers: Layers, directory: string): Promise<Peer> {
  const { BentoCache, bentostore } = await load<Module>('bentocache')
  const { memoryDriver } = await load<Drivers>('bentocache/drivers/memory')
  const { fileDriver } = await load<Drivers>('bentocache/drivers/file')
  const pages = layers(bentostore(), memoryDriver({ maxItems: 1000 }), fileDriver({ directory, pruneInterval: false }))
  const cache = new BentoCache({ default: 'pages', stores: { pages } })
  return {
    getOrRender: ({ key, tags }, factory) => cache.getOrSet({ key, factory, ttl: '1h', tags: [...tags] }),
    read: ({ key }) => cache.get({ key }),
    invalidateKey: (key) => cache.delete({ key }),
    invalidateTag: (tag) => cache.deleteByTag({ tags: [tag] }),
    close: () => cache.disconnect(),
  }
}

const inMemory: Layers = (stack, memory) => stack.useL1Layer(memory)
const onFiles: Layers = (stack, _memory, file) => stack.useL2Layer(file)
const onBoth: Layers = (stack, memory, file) => stack.useL1Layer(memory).useL2Layer(file)

const note = 'memory and file: without a bus between processes.'

export const bentocache: PeerKind = {
  name: 'bentocache',
  version: versionOf('bentocache'),
  forms: [
    { name: 'memory', isOnDisk: false, open: (directory) => open(inMemory, directory) },
    { name: 'file', isOnDisk: true, open: (directory) => open(onFiles, directory) },
    { name: 'memory and file', isOnDisk: true, note, open: (directory) => open(onBoth, directory) },
  ],
}
