/** The contract of stores, on real directories. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskStore } from 'pagekeep/stores/disk'
import { storeContract } from 'pagekeep/testing'
import { describe, it } from 'vitest'

for (const [name, limits] of [
  ['DiskStore', {}],
  ['DiskStore with a size limit', { maxFiles: 5000, maxBytes: 2 ** 30 }],
] as const) {
  storeContract({ describe, it }, name, {
    create() {
      const directory = mkdtempSync(join(tmpdir(), 'pagekeep-'))
      return {
        store: new DiskStore({ directory, ...limits }),
        another: () => new DiskStore({ directory, ...limits }),
        dispose: () => rmSync(directory, { recursive: true }),
      }
    },
  })
}
