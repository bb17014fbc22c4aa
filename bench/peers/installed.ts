import type { PeerKind } from './peer.js'

/** The other caches; none, and a word on the error stream, where they are not installed. */
export async function installedPeers(): Promise<readonly PeerKind[]> {
  try {
    return (await import('./adapters/index.js')).peers
  } catch {
    process.stderr.write('The other caches are left out: `npm --prefix bench/peers ci` installs them.\n')
    return []
  }
}
