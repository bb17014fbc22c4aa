/**
 * ocache, the caching engine of Nitro 3: a cached function, in memory and on unstorage's files. Invalidated by
 * the function's own `invalidate()` and by the standalone `invalidateCache()`. It has no tags.
 */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'
import { openStorage } from './unstorage.js'

type Render = () => Promise<string>

interface Options {
  readonly name: string
  readonly maxAge: number
  readonly getKey: (key: string) => string
  readonly storage: Storage
}

interface Storage {
  get(key: string): Promise<{ value?: string } | null>
}

interface CachedFunction {
  (key: string, render: Render): Promise<string>
  invalidate(key: string): Promise<void>
  resolveKeys(key: string): Promise<string[]>
}

interface Module {
  defineCachedFunction(render: (key: string, render: Render) => Promise<string>, options: Options): CachedFunction
  invalidateCache(input: { options: Options; args: [string] }): Promise<void>
  createMemoryStorage(): Storage
  createBlobStorage(backend: object): Storage
}

async function open(isStandalone: boolean, directory?: string): Promise<Peer> {
  const { defineCachedFunction, invalidateCache, createMemoryStorage, createBlobStorage } = await load<Module>('ocache')
  const files = directory === undefined ? undefined : await openStorage(directory)
  const storage =
    files === undefined
      ? createMemoryStorage()
      : createBlobStorage({
          get: (key: string) => files.getItemRaw(key),
          set: (key: string, value: Uint8Array | null) =>
            value === null ? files.removeItem(key) : files.setItemRaw(key, value),
        })
  const options: Options = { name: 'page', maxAge: 3600, getKey: (key) => key, storage }
  const page = defineCachedFunction((_key, render) => render(), options)
  return {
    getOrRender: ({ key }, render) => page(key, render),
    async read({ key }) {
      const [name = ''] = await page.resolveKeys(key)
      return (await storage.get(name))?.value
    },
    invalidateKey: (key) => (isStandalone ? invalidateCache({ options, args: [key] }) : page.invalidate(key)),
    close: async () => files?.dispose(),
  }
}

export const ocache: PeerKind = {
  name: 'ocache',
  version: versionOf('ocache'),
  forms: [
    { name: 'memory, fn.invalidate()', isOnDisk: false, open: () => open(false) },
    { name: 'memory, invalidateCache()', isOnDisk: false, open: () => open(true) },
    { name: 'unstorage fs, fn.invalidate()', isOnDisk: true, open: (directory) => open(false, directory) },
  ],
}
