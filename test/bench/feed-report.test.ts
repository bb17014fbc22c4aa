import { describe, expect, it } from 'vitest'
import { middle, ratioOf } from '../../bench/feed/ratio.js'
import { asJson, asText, type Report } from '../../bench/feed/report.js'

const even = (ratio: number) => ({ median: 100, ratio, quartiles: [ratio, ratio] as const })
const latency = { ours: { p50: 2, p99: 9 }, loop: { p50: 1, p99: 6 }, p50Ratio: 2, p99Ratio: 1.5, samples: 40 }
const report: Report = {
  fsyncMs: 1.2,
  load: [0.5, 2],
  cores: 2,
  seconds: 40,
  writers: 'pgbench',
  settings: { server_version: '18.4' },
  remarks: [],
  commits: [
    { writers: 32, delayMs: 0, plain: 9000, leased: even(0.8), notifying: even(0.06), rounds: 5 },
    { writers: 32, delayMs: 1, plain: 8000, leased: even(0.85), notifying: even(0.05), rounds: 5 },
    { writers: 1, delayMs: 0, plain: 700, leased: even(0.9), notifying: undefined, rounds: 3 },
  ],
  statements: [{ name: 'no trigger', ...even(1), feedRows: 0 }],
  drain: [
    { ...even(12), loop: 900, delayMs: 0, language: 'python', rows: 4000, loopRows: 1000 },
    { ...even(30), loop: 500, delayMs: 1, language: 'python', rows: 4000, loopRows: 1000 },
  ],
  latency: { idle: latency, busy: latency },
}

describe('the report of bench:feed', () => {
  it('asJson() is one line that names each ratio', () => {
    const line = asJson(report)
    expect(line).not.toContain('\n')
    expect(JSON.parse(line)).toMatchObject({
      commitsRatio32: 0.8,
      commitsRatio1: 0.9,
      notifyRatio32: 0.06,
      commitsRatio32Disk1ms: 0.85,
      notifyRatio32Disk1ms: 0.05,
      drainRatio: 12,
      drainRatioDisk1ms: 30,
      latencyP50Ratio: 2,
      latencyP99Ratio: 1.5,
      fsyncMs: 1.2,
    })
  })

  it('asText() tells what was left out by leaving it out', () => {
    const { commits, latency, ...rest } = report
    expect(asText(report)).toContain('0.8 x')
    expect(asText(rest)).not.toContain('commit to files gone')
  })

  it('ratioOf() compares within a round, so that a round in which all is slow does not count against one', () => {
    expect(ratioOf([10, 1, 10], [20, 2, 20]).ratio).toBe(0.5)
    expect(middle([1, 2, 3, 10])).toBe(2.5)
  })
})
