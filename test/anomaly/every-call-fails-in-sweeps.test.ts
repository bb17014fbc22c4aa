/**
 * As every-call-fails.test.ts, under a size limit. Sweeps make thousands of calls, so the first of each kind in each
 * kind of place fails, once and from then on; in `npm test` one of the two.
 */
import { describe, expect, it, vi } from 'vitest'
import { limited } from './every-call-fails-limited.js'
import { hasFailed, signaturesOf, triesAll } from './every-call-fails-play.js'

// Hundreds of sites are made and removed.
vi.setConfig({ testTimeout: 600_000 })

/** What sweeps do to pages, and others do too; whatever else only sweeps do is found by comparing. */
const handCalls: readonly string[] = [
  'lstat page',
  'open page',
  'fstat page',
  'fchmod page',
  'unlink page',
  'rmdir page',
]

describe('under a size limit the same holds, and no eviction is lost, when a call fails during', () => {
  it.each(Object.entries(limited))('%s', async (_, scenario) => {
    const unlimited = new Set(await signaturesOf({ ...scenario, options: {} }))
    const signatures = (await signaturesOf(scenario)).filter(
      (signature) => !unlimited.has(signature) || handCalls.includes(signature),
    )
    expect(signatures.length).toBeGreaterThan(10)
    for (const [at, signature] of signatures.entries()) {
      const fault = { errno: 'EIO', only: (call: string, place: string) => `${call} ${place}` === signature } as const
      for (const forGood of triesAll ? [false, true] : [at % 2 === 0])
        await hasFailed(scenario, { ...fault, nth: 1, forGood })
    }
  })
})
