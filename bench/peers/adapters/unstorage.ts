/** unstorage: a key-value store on files, without a read-through call or tags: `getItem`, render, `setItem`. */
import { load, type Peer, type PeerKind, versionOf } from '../peer.js'

export interface Storage {
  getItem(key: string): Promise<string | null>
  setItem(key: string, value: string): Promise<void>
  getItemRaw(key: string): Promise<Uint8Array | null>
  setItemRaw(key: string, value: Uint8Array): Promise<void>
  removeItem(key: string): Promise<void>
  dispose(): Promise<void>
}

interface Module {
  createStorage(options?: { driver: unknown }): Storage
}

type Driver = { default(options: { base: string }): unknown }

export async function openStorage(directory?: string): Promise<Storage> {
  const { createStorage } = await load<Module>('unstorage')
  if (directory === undefined) return createStorage()
  const { default: fsDriver } = await load<Driver>('unstorage/drivers/fs')
  return createStorage({ driver: fsDriver({ base: directory }) })
}

async function open(directory?: string): Promise<Peer> {
  const storage = await openStorage(directory)
  return {
    async getOrRender({ key }, render) {
      const kept = await storage.getItem(key)
      if (kept !== null) return kept
      const page = await render()
      await storage.setItem(key, page)
      return page
    },
    read: ({ key }) => storage.getItem(key),
    invalidateKey: (key) => storage.removeItem(key),
    close: () => storage.dispose(),
  }
}

const note = 'No read-through call of its own: get, render, set by hand.'

export const unstorage: PeerKind = {
  name: 'unstorage',
  version: versionOf('unstorage'),
  forms: [
    { name: 'memory', isOnDisk: false, note, open: () => open() },
    { name: 'fs', isOnDisk: true, note, open },
  ],
}
