/** Hits of the other caches, as works to be measured beside ours: whoever is installed in `bench/peers`. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Work } from '../rounds.js'
import { installedPeers } from './installed.js'

export interface PeerHits {
  /** Forms of a peer that keep pages in files, or those that do not. */
  readonly onDisk: boolean
  readonly directory: string
  readonly text: string
}

const page = { key: 'page', tags: [] }

/** Those that are not installed, or lose the page, are left out, and named on the error stream. */
export async function hitsOfPeers({ onDisk, directory, text }: PeerHits): Promise<Work[]> {
  const works: Work[] = []
  for (const { name, forms } of await installedPeers()) {
    for (const form of name === 'pagekeep' ? [] : forms.filter(({ isOnDisk }) => isOnDisk === onDisk)) {
      const full = `${name}, ${form.name}`
      const home = path.join(directory, full.replace(/\W+/g, '-'))
      try {
        mkdirSync(home, { recursive: true })
        const peer = await form.open(home)
        const never = async () => {
          throw new Error('it has lost the page')
        }
        await peer.getOrRender(page, async () => text)
        if ((await peer.getOrRender(page, never)) !== text) throw new Error('it gives another text')
        works.push({ name: full, run: () => peer.getOrRender(page, never), end: () => peer.close() })
      } catch (thrown) {
        process.stderr.write(`${full} is left out: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
      }
    }
  }
  return works
}
