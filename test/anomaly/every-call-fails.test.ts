/**
 * Every system call that the store makes fails, one at a time: each scenario is run once for its first call,
 * once for its second, and so on until one runs through, with each errno that the call can meet; then with
 * every call failing from the nth on; then with calls that did their work and report a failure nevertheless.
 *
 * `npm run faults` tries all of that, in rare scenarios too. `npm test` tries EIO, at each call in one of the three ways in
 * turn; in rare scenarios each place in the source that calls fails once (every-call-site-fails.test.ts).
 *
 * Left out, because the store cannot tell them apart: the same errno in the two modes "from the nth on" and
 * "late" (EIO there, for all of them). An errno from a call that never gives it comes once, in
 * every-call-fails-of-the-seam.test.ts; sweeps have every-call-fails-in-sweeps.test.ts.
 */
import { describe, expect, it, vi } from 'vitest'
import { eachCall, triesAll } from './every-call-fails-play.js'
import { rare } from './every-call-fails-rare.js'
import { furnish, type Scenario, scenarios } from './every-call-fails-scenarios.js'
import { errnos, type Fault } from './faulty-files.js'

// Thousands of sites are made and removed.
vi.setConfig({ testTimeout: 600_000 })

describe('a page is rendered and served, the fault reported once, and nothing stale kept, when a call fails during', () => {
  for (const [name, scenario] of Object.entries(triesAll ? { ...scenarios, ...rare } : scenarios)) {
    it(name, async () => {
      const each = (scenario.errnos ?? errnos).map((errno): Omit<Fault, 'nth'> => ({ errno, forGood: false }))
      const rest: Omit<Fault, 'nth'>[] = [
        { errno: 'EIO', forGood: true },
        { errno: 'EIO', forGood: false, isLate: true },
      ]
      const once: Omit<Fault, 'nth'> = { errno: 'EIO', forGood: false }
      if (!triesAll) return void expect(await eachCall(scenario, once, ...rest)).toBeGreaterThan(0)
      for (const fault of [...each, ...rest]) expect(await eachCall(scenario, fault)).toBeGreaterThan(0)
    })
  }
})

describe('twin', () => {
  it('a cache that tells nobody of a fault is found out', async () => {
    const silent: Scenario = {
      act: async (site) => {
        vi.spyOn(site, 'report').mockImplementation(() => undefined)
        await site.ask('top.html')
      },
    }
    await expect(eachCall(silent, { errno: 'EIO', forGood: false })).rejects.toThrow(/or it is reported why not/)
  })

  it('an invalidator that takes a failed eviction for done leaves a stale page', async () => {
    const credulous: Scenario = {
      arrange: furnish,
      act: (site) => {
        site.isCredulous = true
        return site.evict('news/1.html', ['news/1.html'])
      },
    }
    await expect(eachCall(credulous, { errno: 'EIO', forGood: false })).rejects.toThrow(/is kept, and stale/)
  })
})
