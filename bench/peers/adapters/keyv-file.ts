/**
 * A Keyv whose entries are one file each, for the peers that keep what a Keyv keeps.
 * `separatedFile` is the mode of keyv-file that reads the disk on each call, so that processes see each other.
 */
import { load } from '../peer.js'

interface KeyvModule {
  Keyv: new (options: { store: unknown }) => unknown
}

interface KeyvFileModule {
  KeyvFile: new (options: { filename: string; separatedFile: boolean }) => unknown
}

export async function keyvOnFiles(directory: string): Promise<unknown> {
  const { Keyv } = await load<KeyvModule>('keyv')
  const { KeyvFile } = await load<KeyvFileModule>('keyv-file')
  return new Keyv({ store: new KeyvFile({ filename: directory, separatedFile: true }) })
}
