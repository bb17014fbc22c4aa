/** The contract of stores, on real directories. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskStore } from 'pagekeep/stores/disk'
import { storeContract } from 'pagekeep/testing'
import { describe, it } from 'vitest'

storeContract({ describe, it }, 'DiskStore', {
  create() {
    const directory = mkdtempSync(join(tmpdir(), 'pagekeep-'))
    return {
      store: new DiskStore({ directory }),
      another: () => new DiskStore({ directory }),
      dispose: () => rmSync(directory, { recursive: true }),
    }
  },
})
