/** The contract of stores, on real directories. */
import { linkSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DiskStore } from 'pagekeep/stores/disk'
import { type StoreUnderTest, storeContract } from 'pagekeep/testing'
import { describe, it } from 'vitest'
import { lockName, stemOf } from '../../../src/stores/disk/lease-name.js'

const program = fileURLToPath(new URL('contract-process.ts', import.meta.url))

const exempt = {
  'a page of text that was cut short is none':
    'Plain text has no record, so that people and web servers may read and write it: its file is the page. ' +
    'What a power failure cuts short is forgotten with all other pages when the machine is started anew.',
}

for (const [name, limits] of [
  ['DiskStore', {}],
  ['DiskStore with a size limit', { maxFiles: 5000, maxBytes: 2 ** 30 }],
  ["DiskStore with io: 'async'", { io: 'async' }],
  ['DiskStore with hotBytes: 0', { hotBytes: 0 }],
] as const) {
  storeContract({ describe, it }, name, {
    exempt,
    create() {
      const directory = mkdtempSync(join(tmpdir(), 'pagekeep-'))
      const another = () => new DiskStore({ directory, ...limits })
      // Once is enough for what starts processes: it has nothing to do with limits.
      const process = name === 'DiskStore' && {
        process: { program, argument: directory, execArgv: ['--import', 'tsx'] },
      }
      return {
        store: another(),
        another,
        ...damage(directory),
        ...process,
        dispose: () => rmSync(directory, { recursive: true }),
      }
    },
  })
}

/** A dead process's doings: its token is of another boot of the machine. */
function damage(directory: string): Pick<StoreUnderTest, 'tearWrite' | 'truncate' | 'leaveLock'> {
  let deaths = 0
  const die = (key: string, written: string) => {
    new DiskStore({ directory }).get('made-ready.html')
    const leases = join(directory, '.pagekeep/leases')
    const token = join(leases, `${stemOf(key)}~4711.815.another-boot.0.${++deaths}`)
    writeFileSync(token, written)
    linkSync(token, join(leases, lockName(stemOf(key))))
  }
  return {
    tearWrite: (key, body) => die(key, body.slice(0, body.length / 2)),
    leaveLock: (key) => die(key, ''),
    truncate(key, share) {
      const path = join(directory, key)
      truncateSync(path, Math.floor(statSync(path).size * share))
    },
  }
}
