/**
 * Every call that the seam has fails with every errno there is, also those that it never gives, in one tour that makes
 * as many kinds of calls as possible; what the tour misses fails the last test.
 */
import { describe, expect, it, vi } from 'vitest'
import { tight } from './every-call-fails-limited.js'
import { hasFailed } from './every-call-fails-play.js'
import { tour } from './every-call-fails-scenarios.js'
import { errnos, failingCalls, neverFailed } from './faulty-files.js'

// Hundreds of sites are made and removed.
vi.setConfig({ testTimeout: 600_000 })

describe('every call of the seam', () => {
  it.each(errnos)('may fail with %s from the first time on', async (errno) => {
    for (const call of failingCalls) {
      for (const io of ['sync', 'async'] as const) {
        if ((io === 'async') !== call.endsWith('Later')) continue
        const only = (called: string) => called === call
        const limits = ['utimes', 'freeBytes'].includes(call) ? tight : {}
        await hasFailed({ ...tour, options: { ...limits, io } }, { nth: 1, errno, forGood: true, only })
      }
    }
  })

  it('has failed with every errno at least once', () => {
    expect(neverFailed(failingCalls)).toEqual([])
  })

  it('twin: one that no scenario makes fail is named', () => {
    expect(neverFailed([...failingCalls, 'fsync'])).toEqual(errnos.map((errno) => `fsync ${errno}`))
  })
})
