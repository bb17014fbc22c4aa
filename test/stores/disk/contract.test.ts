/** The contract of stores, on real directories. */
import { linkSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DiskStore, type DiskStoreOptions } from 'pagekeep/stores/disk'
import { type StoreUnderTest, storeContract } from 'pagekeep/testing'
import { describe, it } from 'vitest'
import { Layout } from '../../../src/stores/disk/layout.js'
import { lockName, stemOf } from '../../../src/stores/disk/lease-name.js'

const program = fileURLToPath(new URL('contract-process.ts', import.meta.url))

const exempt = {
  'a page of text that was cut short is none':
    'Plain text has no record, so that people and web servers may read and write it: its file is the page. ' +
    'What a power failure cuts short is forgotten with all other pages when the machine is started anew.',
}

const contracts: readonly (readonly [string, Omit<DiskStoreOptions, 'directory'>])[] = [
  ['DiskStore', {}],
  ['DiskStore with a size limit', { maxFiles: 5000, maxBytes: 2 ** 30 }],
  ["DiskStore with io: 'async'", { io: 'async' }],
  ['DiskStore with hotBytes: 0', { hotBytes: 0 }],
  ["DiskStore with coding: 'gzip'", { coding: 'gzip' }],
  ["DiskStore with coding: 'gzip' and a size limit", { coding: 'gzip', maxFiles: 5000, maxBytes: 2 ** 30 }],
  ["DiskStore with coding: 'br'", { coding: 'br' }],
  ["DiskStore with coding: 'br' and io: 'async'", { coding: 'br', io: 'async' }],
]

for (const [name, options] of contracts) {
  storeContract({ describe, it }, name, {
    // A coding shows where a file ends.
    ...(options.coding === undefined && { exempt }),
    create() {
      const directory = mkdtempSync(join(tmpdir(), 'pagekeep-'))
      const another = () => new DiskStore({ directory, ...options })
      // Once is enough for what starts processes, and once for codings: it has nothing to do with limits.
      const process = (name === 'DiskStore' || name === "DiskStore with coding: 'gzip'") && {
        process: { program, argument: JSON.stringify({ directory, ...options }), execArgv: ['--import', 'tsx'] },
      }
      return {
        store: another(),
        another,
        ...damage({ directory, ...options }),
        ...process,
        dispose: () => rmSync(directory, { recursive: true }),
      }
    },
  })
}

/** A dead process's doings: its token is of another boot of the machine. */
function damage(options: DiskStoreOptions): Pick<StoreUnderTest, 'tearWrite' | 'truncate' | 'leaveLock'> {
  const layout = new Layout(options.directory, options.coding)
  let deaths = 0
  const die = (key: string, written: string) => {
    new DiskStore(options).get('made-ready.html')
    const { leases } = layout
    const token = join(leases, `${stemOf(key)}~4711.815.another-boot.0.${++deaths}`)
    writeFileSync(token, written)
    linkSync(token, join(leases, lockName(stemOf(key))))
  }
  return {
    tearWrite: (key, body) => die(key, body.slice(0, body.length / 2)),
    leaveLock: (key) => die(key, ''),
    truncate(key, share) {
      const path = layout.page(key)
      truncateSync(path, Math.floor(statSync(path).size * share))
    },
  }
}
