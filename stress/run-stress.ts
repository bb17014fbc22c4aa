/**
 * One run: makes a directory, a board and a crew, lets it work, kills, audits, and sums up.
 *
 * The directory is removed at the end, unless something was found: then it is named and stays.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startRedis } from '../test/support/redis.js'
import { leftoversIn } from './audit-files.js'
import { Board, type Tally } from './board.js'
import { bundle } from './bundle.js'
import { Crew } from './crew.js'
import { compileAddon } from './nursery/addon.js'
import type { StressOptions } from './options.js'
import { mixSeed, Random } from './random.js'
import { Site } from './site.js'
import { type Summary, summaryOf, totalOf, violations } from './summary.js'

export interface Onlooker {
  /** Ends the run early. */
  readonly signal?: AbortSignal
  /** In milliseconds. Default 5000. */
  readonly progressEveryMs?: number
  /** Called every `progressEveryMs` with what was counted so far. */
  progress?(seconds: number, kills: number, total: Tally): void
  /** Told where findings are. */
  remark?(text: string): void
}

export async function runStress(options: StressOptions, onlooker: Onlooker = {}): Promise<Summary> {
  const directory = mkdtempSync(path.join(options.directory, 'pagekeep-stress-'))
  const findings = path.join(directory, 'findings')
  appendFileSync(findings, '')
  const seats = Crew.seats(options.processes)
  const board = Board.create(path.join(directory, 'board'), new Site(options.keys).rows, seats)
  const total = () => totalOf(Array.from({ length: seats }, (_, seat) => board.readTally(seat)))
  const programs = await bundle(path.join(directory, 'programs'), options.store)
  const redis = options.store === 'redis' ? await startRedis() : undefined
  const addon = options.startsBy === 'fork' ? compileAddon(directory) : undefined
  const crew = new Crew({ options, programs, directory, redisUrl: redis?.url, addon })
  let isClean = false
  try {
    await crew.start()
    const { seconds, audits } = await work(crew, options, onlooker, total)
    await crew.close()
    const left = options.store === 'disk' ? leftoversIn(path.join(directory, 'pages')) : []
    if (left.length > 0) onlooker.remark?.(`Left behind:\n  ${left.slice(0, 20).join('\n  ')}\n`)
    const { kills, crashes } = crew
    const fileSystem = fileSystemOf(directory)
    const startsBy = addon === undefined ? ('node' as const) : ('fork' as const)
    const circumstances = { options, seconds, kills, audits, fileSystem, startsBy }
    const summary = summaryOf(total(), { ...circumstances, crashes: crashes.length, leftovers: left.length })
    isClean = violations(summary) + summary.crashes + summary.leftovers === 0 || options.protocol !== 'pagekeep'
    return summary
  } finally {
    crew.abort()
    board.close()
    await redis?.stop()
    const lines = readFileSync(findings, 'utf8').split('\n').slice(0, 20)
    if (options.protocol === 'pagekeep' && lines[0] !== '') onlooker.remark?.(`Findings:\n${lines.join('\n')}\n`)
    if (isClean) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    else onlooker.remark?.(`Kept for a look: ${directory}\n`)
  }
}

async function work(crew: Crew, options: StressOptions, onlooker: Onlooker, total: () => Tally) {
  const random = new Random(mixSeed(options.seed, 4))
  const beganAt = performance.now()
  const elapsedMs = () => performance.now() - beganAt
  const isOver = () => elapsedMs() >= options.seconds * 1000 || onlooker.signal?.aborted === true
  const nextKill = () => {
    if (options.killEveryMs === 0) return Number.POSITIVE_INFINITY
    // Or a busy machine would do little else than start processes.
    return Math.max(options.killEveryMs * 2 * random.next(), crew.startMs * 1.5)
  }
  const { progressEveryMs = 5000 } = onlooker
  let killAtMs = nextKill()
  let auditAtMs = options.auditEveryMs
  let progressAtMs = progressEveryMs
  let audits = 0
  for (;;) {
    const isLast = isOver()
    if (isLast || elapsedMs() >= auditAtMs) {
      await crew.rest()
      await crew.audit()
      audits++
      if (isLast) break
      crew.go()
      auditAtMs = elapsedMs() + options.auditEveryMs
    }
    if (elapsedMs() >= killAtMs) {
      killAtMs = elapsedMs() + (crew.kill() ? nextKill() : 5)
    }
    if (elapsedMs() >= progressAtMs) {
      onlooker.progress?.(elapsedMs() / 1000, crew.kills, total())
      progressAtMs += progressEveryMs
    }
    const next = Math.min(killAtMs, auditAtMs, progressAtMs, options.seconds * 1000) - elapsedMs()
    await setTimeout(Math.min(Math.max(next, 1), 200))
  }
  return { seconds: elapsedMs() / 1000, audits }
}

function fileSystemOf(directory: string): string {
  const { type } = statfsSync(directory)
  return known.get(type) ?? `0x${type.toString(16)}`
}

const known = new Map([
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
])
