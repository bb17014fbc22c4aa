/**
 * The stress in small: it works on every store, finds nothing wrong with them, and does find what is wrong
 * with the naive protocol and with ours once a protection is taken out. Each run ends as soon as it has seen
 * enough, so that a busy machine makes it longer and not weaker.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { Tally } from '../../stress/board.js'
import { readOptions, type StressOptions } from '../../stress/options.js'
import { runStress } from '../../stress/run-stress.js'
import { exitCode } from '../../stress/summary.js'
import { mayStartRedis } from '../support/redis.js'

const deadlineSeconds = 60
const timeout = 120_000
const promises = { staleKept: 0, staleReads: 0, tornReads: 0, crashes: 0 }

function optionsOf(...args: string[]): StressOptions {
  const options = readOptions(['--seconds', String(deadlineSeconds), '--audit-every', '300', ...args])
  if (options === undefined) throw new Error('These are no options of a run')
  return options
}

/** Runs until `isEnough`, or the deadline. */
function run(options: StressOptions, isEnough: (tally: Tally, kills: number) => boolean) {
  const enough = new AbortController()
  const progress = (_: number, kills: number, tally: Tally) => {
    if (isEnough(tally, kills)) enough.abort()
  }
  return runStress(options, { signal: enough.signal, progressEveryMs: 100, progress })
}

describe('runStress()', () => {
  it.each(['fork', 'node'])(
    'finds no stale and no torn page on the disk store, with processes killed (%s)',
    { timeout },
    async (way) => {
      const options = optionsOf('--processes', '3', '--starts-by', way)
      const summary = await run(options, (tally, kills) => tally.ops >= 2000 && tally.evictions >= 100 && kills >= 5)
      expect(summary).toMatchObject({ ...promises, store: 'disk', processes: 3 })
      expect(summary.kills).toBeGreaterThanOrEqual(5)
      expect(summary.pagesAudited).toBeGreaterThan(0)
      expect(exitCode(summary, options)).toBe(0)
      expect(exitCode(summary, { ...options, expectsStale: true })).toBe(1)
    },
  )

  it.each(['gzip', 'br'])(
    'finds none where pages lie in a coding, read as a web server sends them: %s',
    {
      timeout,
    },
    async (coding) => {
      const options = optionsOf('--processes', '3', '--coding', coding)
      const summary = await run(options, (tally, kills) => tally.ops >= 2000 && tally.evictions >= 100 && kills >= 3)
      expect(summary).toMatchObject({ ...promises, coding, leftovers: 0 })
      expect(summary.pagesAudited).toBeGreaterThan(0)
    },
  )

  it.each(['undoomed', 'deaf', 'unchecked'])(
    'finds stale pages there with the protocol "%s" (control)',
    {
      timeout,
    },
    async (protocol) => {
      const options = optionsOf('--protocol', protocol, '--processes', '3', '--coding', 'gzip')
      const summary = await run(options, (tally) => tally.staleReads + tally.staleKept > 0)
      expect(summary.staleReads + summary.staleKept).toBeGreaterThan(0)
    },
  )

  it('finds nothing with "unchecked" where no page is kept in memory: that protection is of hot copies', {
    timeout,
  }, async () => {
    const options = optionsOf('--protocol', 'unchecked', '--hot-bytes', '0', '--processes', '3')
    const summary = await run(options, (tally) => tally.ops >= 2000 && tally.evictions >= 50)
    expect(summary).toMatchObject({ ...promises, hotBytes: 0 })
  })

  const unsound = ['naive', 'undoomed', 'deaf', 'unchecked']
  it.each(unsound)('finds stale pages with the protocol "%s" (control)', { timeout }, async (protocol) => {
    const options = optionsOf('--protocol', protocol, '--processes', '3')
    const summary = await run(options, (tally) => tally.staleReads + tally.staleKept > 0)
    expect(summary.staleReads + summary.staleKept).toBeGreaterThan(0)
    expect(exitCode(summary, options)).toBe(1)
    expect(exitCode(summary, { ...options, expectsStale: true })).toBe(0)
  })

  it.each(['memory', 'keyv'])('finds no stale page on the %s store', { timeout }, async (store) => {
    const summary = await run(optionsOf('--store', store), (tally) => tally.ops >= 2000 && tally.evictions >= 50)
    expect(summary).toMatchObject({ ...promises, store, processes: 1, kills: 0 })
    expect(summary.pagesAudited).toBeGreaterThan(0)
  })

  it.skipIf(!mayStartRedis())('finds no stale page on Redis, with processes killed', { timeout }, async () => {
    const options = optionsOf('--store', 'redis', '--processes', '2')
    const summary = await run(options, (tally, kills) => tally.ops >= 300 && tally.evictions >= 20 && kills >= 2)
    expect(summary).toMatchObject({ ...promises, store: 'redis' })
    expect(summary.kills).toBeGreaterThanOrEqual(2)
  })
})

describe('the program', () => {
  const program = path.resolve(import.meta.dirname, '../../stress/stress.ts')
  const start = (...args: string[]) => spawn(process.execPath, ['--import', 'tsx', program, ...args])

  it('prints one line of JSON that begins with what was counted', { timeout }, async () => {
    const child = start('--seconds', '1', '--store', 'memory', '--json')
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(output.split('\n')).toHaveLength(2)
    const names = 'ops hits kept doomed evictions kills staleKept staleReads tornReads leftovers'
    expect(Object.keys(JSON.parse(output)).slice(0, 10).join(' ')).toBe(names)
    expect(code).toBe(0)
  })

  it('ends early when it is interrupted, with its summary', { timeout }, async () => {
    const child = start('--seconds', '600', '--store', 'memory')
    await once(child.stderr, 'data')
    child.kill('SIGINT')
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(output).toContain('No stale page was kept')
    expect(code).toBe(0)
  })

  it('says what is wrong with an option', { timeout }, async () => {
    const child = start('--store', 'clay')
    const [output, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    expect(output).toContain('Expected --store to be one of disk, memory, keyv, redis, got "clay"')
    expect(code).toBe(2)
  })
})
