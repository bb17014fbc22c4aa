/** Plays a scenario with one fault in it, and sees that nothing that was promised is broken, then or afterwards. */
import { expect } from 'vitest'
import { openFiles } from '../support/open-files.js'
import { type Scenario, use } from './every-call-fails-scenarios.js'
import { type Fault, FaultyFiles } from './faulty-files.js'
import { Site } from './site.js'

/** Whether each fault is tried in each way (`npm run faults`), and not some in turn. */
export const triesAll = process.env.PAGEKEEP_FAULTS === 'full'

/** Tries n = 1, 2, 3, ... until the fault does not come to pass; of several faults, each in its turn. */
export async function eachCall(scenario: Scenario, ...faults: readonly [Omit<Fault, 'nth'>, ...Omit<Fault, 'nth'>[]]) {
  for (let nth = 1; ; nth++) {
    const fault = faults[nth % faults.length] ?? faults[0]
    if (!(await hasFailed(scenario, { ...fault, nth }))) return nth - 1
  }
}

/** Plays the scenario with one fault; whether it came to pass. */
export async function hasFailed(scenario: Scenario, fault: Fault): Promise<boolean> {
  return (await played(scenario, fault)).hasFailed
}

/** As `hasFailed`, with what is to be known of the calls. */
export async function played(scenario: Scenario, fault: Fault): Promise<FaultyFiles> {
  const faulty = new FaultyFiles(fault)
  const site = new Site(faulty, scenario.options)
  try {
    await (scenario.arrange ?? use)(site)
    await new Promise(setImmediate)
    faulty.arm()
    site.isKeeping = true
    await scenario.act(site)
    site.audit('under the fault')
    const most = 1 + (scenario.reports ?? 0)
    const reports = site.reports.length
    if (!fault.forGood) expect(reports, site.reports.map(String).join('\n')).toBeLessThanOrEqual(most)
    // Each names what the system said, but for those that the scenario brings about by itself.
    const own = site.reports.filter((report) => report.cause === undefined)
    expect(own.length, own.map(String).join('\n')).toBeLessThanOrEqual(scenario.reports ?? 0)
    await site.expectHealed()
    await site.expectClean()
    if (!fault.forGood) expect(site.reports.length, site.reports.map(String).join('\n')).toBeLessThanOrEqual(most)
  } catch (thrown) {
    const what = `${fault.errno}${fault.forGood ? ' for good' : ''}${fault.isLate ? ', late' : ''}`
    throw Object.assign(thrown as Error, {
      message: `call ${fault.nth}, ${faulty.failed}, ${what}: ${(thrown as Error).message}`,
    })
  } finally {
    await site.remove()
  }
  expect(openFiles(site.directory), `call ${fault.nth}, ${faulty.failed}: descriptors left open`).toEqual([])
  return faulty
}

/** What the scenario calls, and where, when nothing fails. */
export async function signaturesOf(scenario: Scenario): Promise<string[]> {
  const faulty = new FaultyFiles()
  const site = new Site(faulty, scenario.options)
  try {
    await (scenario.arrange ?? use)(site)
    faulty.arm()
    await scenario.act(site)
    return [...faulty.seen.keys()]
  } finally {
    await site.remove()
  }
}
