/** What the suite's results mean, test by test, in the words of its own reports. */

/** As the suite gives it: `true`, or what kind of failure and why. */
export type RawResult = true | readonly [kind: string, message: string]

export interface SuiteTest {
  readonly id: string
  readonly name: string
  readonly kind?: 'required' | 'optimal' | 'check'
  readonly depends_on?: readonly string[]
  readonly browser_only?: boolean
}

export interface Suite {
  readonly id: string
  readonly tests: readonly SuiteTest[]
}

/**
 * `pass` and `fail` of what is required or optimal, `yes` and `no` of what is only asked; `setup` when the test could
 * not be made, `dependency` when one it builds upon has not passed.
 */
export type Verdict = 'pass' | 'fail' | 'yes' | 'no' | 'setup' | 'dependency'

export interface Result {
  readonly suite: string
  readonly kind: 'required' | 'optimal' | 'check'
  readonly verdict: Verdict
  /** What the suite says of a test that has not passed. */
  readonly message?: string
}

export function judge(suites: readonly Suite[], raw: Readonly<Record<string, RawResult>>): Record<string, Result> {
  const tests = new Map(suites.flatMap((suite) => suite.tests.map((test) => [test.id, { suite: suite.id, test }])))
  const verdictOf = (id: string): Verdict => {
    const result = raw[id]
    const test = tests.get(id)?.test
    if (test === undefined || result === undefined) return 'setup'
    const isDependent = test.depends_on?.some((other) => !['pass', 'yes'].includes(verdictOf(other)))
    if (isDependent) return 'dependency'
    if (result !== true && result[0] === 'Setup') return 'setup'
    if (test.kind === 'check') return result === true ? 'yes' : 'no'
    return result === true ? 'pass' : 'fail'
  }
  const judged: Record<string, Result> = {}
  for (const id of Object.keys(raw).sort()) {
    const found = tests.get(id)
    const result = raw[id]
    if (found === undefined || result === undefined) continue
    judged[id] = {
      suite: found.suite,
      kind: found.test.kind ?? 'required',
      verdict: verdictOf(id),
      ...(result !== true && { message: withoutChance(result[1]) }),
    }
  }
  return judged
}

/** A message without what differs from run to run, so that the kept results change only with the behaviour. */
function withoutChance(message: string): string {
  return message
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replace(/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, '<date>')
    .replace(/127\.0\.0\.1:\d+|localhost:\d+/g, '<host>')
}
