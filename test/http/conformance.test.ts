import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { judge, type Result } from '../../conformance/results.js'

const file = (name: string) => readFileSync(new URL(`../../conformance/${name}`, import.meta.url), 'utf8')
const results: Record<string, Result> = JSON.parse(file('results.json'))
const isGood = ({ verdict }: Result) => verdict === 'pass' || verdict === 'yes'

describe('conformance/results.json', () => {
  it('has at least 132 of what is required passed, and all of CDN-Cache-Control', () => {
    const all = Object.values(results)
    expect(all.filter((result) => result.kind === 'required' && isGood(result)).length).toBeGreaterThanOrEqual(132)
    const targeted = all.filter(({ suite }) => suite === 'cdn-cache-control')
    expect(targeted.length).toBeGreaterThanOrEqual(20)
    expect(targeted.filter((result) => !isGood(result))).toEqual([])
  })

  it('has a reason for each test that has not passed', () => {
    const reasons = file('reasons.md')
    const silent = Object.entries(results).filter(
      ([id, result]) => result.kind !== 'check' && !isGood(result) && !reasons.includes(`\`${id}\``),
    )
    expect(silent.map(([id]) => id)).toEqual([])
  })
})

describe('judge()', () => {
  it('calls a test by its kind, its failure and what it depends on', () => {
    const tests = [
      { id: 'a', name: '' },
      { id: 'b', name: '', kind: 'check' as const },
      { id: 'c', name: '', depends_on: ['b'] },
      { id: 'd', name: '', depends_on: ['a'] },
      { id: 'e', name: '', kind: 'optimal' as const },
    ]
    const judged = judge([{ id: 's', tests }], {
      a: true,
      b: ['Assertion', 'no'],
      c: true,
      d: ['Setup', 'at 127.0.0.1:1234'],
      e: ['Assertion', 'x'],
    })
    expect(Object.values(judged).map(({ verdict }) => verdict)).toEqual(['pass', 'no', 'dependency', 'setup', 'fail'])
    expect(judged.d?.message).toBe('at <host>')
  })
})
