/**
 * A disk that is full now and then, or that answers EIO, under a site with visitors and an evictor; the
 * auditor of the stress, a process of its own, looks at the kept files from outside meanwhile and at rest.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCache } from 'pagekeep'
import { DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import type { AuditorPlan } from '../../stress/auditor.js'
import { Board, type Tally } from '../../stress/board.js'
import { Counting } from '../../stress/counting.js'
import { commitAndEvict } from '../../stress/evictor.js'
import { Gate } from '../../stress/gate.js'
import { Random } from '../../stress/random.js'
import { visit } from '../../stress/renderer.js'
import { Site } from '../../stress/site.js'
import type { Subject } from '../../stress/subject.js'
import { fastDirectory } from '../support/fast-directory.js'
import { type Call, canFail, type Errno } from './faulty-files.js'

const auditorProgram = fileURLToPath(new URL('../../stress/audit.ts', import.meta.url))
const site = new Site(8)
const seats = { auditor: 0, visitors: 1 }
const visitors = 4
const enough: Partial<Tally> = { ops: 2000, evictions: 60, faults: 20, kept: 20 }

interface Disk {
  readonly errno: Errno
  /** The share of calls that fail, of those that can. */
  readonly share: number
  /** Whether evictions that failed are taken for done: for showing that the auditor would notice. */
  readonly isCredulous?: boolean
}

/** Plays until enough has happened; what the auditor and the visitors have counted. */
async function play({ errno, share, isCredulous = false }: Disk): Promise<{ auditor: Tally; visitors: Tally }> {
  const parent = mkdtempSync(join(fastDirectory(), 'pagekeep-audited-'))
  const at = (name: string) => join(parent, name)
  const board = Board.create(at('board'), site.rows, 2)
  const plan: AuditorPlan = {
    directory: at('pages'),
    board: at('board'),
    findings: at('findings'),
    pages: site.pages,
    seat: seats.auditor,
  }
  const auditor = fork(auditorProgram, [JSON.stringify(plan)], { execArgv: ['--import', 'tsx'] })
  const counting = new Counting(board, seats.visitors, at('findings'))
  const disk = { isFaulty: true }
  const files = unreliable(new Random(7), (call, random) => {
    return disk.isFaulty && canFail(call, errno) && random.isLess(share)
  })
  const failure = () => Object.assign(new Error(`${errno}: injected`), { code: errno })
  const cache = createCache({ store: new DiskStore({ directory: at('pages'), files: files(failure) }) })
  cache.on('kept', () => counting.count('kept'))
  cache.on('error', (error) => counting.fault(error.message))
  const evicting: Subject['evict'] = (selectors) => cache.evict(selectors)
  const subject: Subject = {
    getOrRender: (key, render) => cache.getOrRender(key, render),
    get: (key) => cache.get(key),
    evict: isCredulous ? (selectors) => evicting(selectors).catch(() => undefined) : evicting,
    close: () => cache.close(),
  }
  try {
    await once(auditor, 'message')
    let resting = () => undefined as unknown
    const gate = new Gate(visitors + 1, () => resting())
    const parts = (seed: number) => {
      const fileOf = (key: string) => at(`pages/${key}`)
      return { subject, site, board, gate, random: new Random(seed), counting, fileOf }
    }
    const rows = Array.from({ length: site.rows }, (_, row) => row)
    const working = [
      ...Array.from({ length: visitors }, (_, seed) => visit(parts(seed), false)),
      commitAndEvict(parts(visitors), rows, { seats: 2, meanOps: 40 }),
    ]
    const hasEnough = () => {
      const tally = { ...board.readTally(seats.visitors) }
      return Object.entries(enough).every(([counter, count]) => tally[counter as keyof Tally] >= count)
    }
    while (!hasEnough()) await new Promise((resolve) => setTimeout(resolve, 10))
    const rested = new Promise((resolve) => {
      resting = () => resolve(undefined)
    })
    gate.rest()
    await rested
    disk.isFaulty = false
    const audited = once(auditor, 'message')
    auditor.send('audit')
    await audited
    gate.end()
    await Promise.all(working)
    await cache.close()
    return { auditor: board.readTally(seats.auditor), visitors: board.readTally(seats.visitors) }
  } finally {
    auditor.kill('SIGKILL')
    board.close()
    rmSync(parent, { recursive: true, force: true })
  }
}

/** The machine's calls, some of which fail instead of being made. */
function unreliable(random: Random, fails: (call: Call, random: Random) => boolean) {
  return (failure: () => Error): Files =>
    new Proxy(systemFiles, {
      get: (target, call: Call) => {
        const real = target[call] as (...args: unknown[]) => unknown
        return (...args: unknown[]) => {
          // A descriptor that is not closed would be missing; what cannot fail does not.
          if (call === 'close' || call === 'monotonicMs' || !fails(call, random)) return real(...args)
          if (call === 'exists') return false
          if (call.endsWith('Later')) return Promise.reject(failure())
          throw failure()
        }
      },
    })
}

const none = { staleKept: 0, staleReads: 0, tornReads: 0 }

describe('the auditor finds nothing stale and nothing torn', () => {
  it.each([
    { what: 'a disk that is full now and then', disk: { errno: 'ENOSPC', share: 0.2 } },
    { what: 'a disk that answers EIO', disk: { errno: 'EIO', share: 0.02 } },
  ] as const)('on $what', async ({ disk }) => {
    const found = await play(disk)
    expect(found.auditor).toMatchObject(none)
    expect(found.visitors).toMatchObject(none)
    expect(found.auditor.ops).toBeGreaterThan(0)
  })

  it('twin: he finds what an evictor leaves that takes failed evictions for done', async () => {
    const found = await play({ errno: 'EIO', share: 0.1, isCredulous: true })
    expect(found.auditor.staleReads + found.auditor.staleKept).toBeGreaterThan(0)
  })
})
