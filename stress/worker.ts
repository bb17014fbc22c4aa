/**
 * The work of one process of the crew: visitors, evictors, or both, over the cache. Told to rest, to go on, to audit
 * and to close; killed at any moment.
 */
import { Board } from './board.js'
import { Counting } from './counting.js'
import { commitAndEvict, type Pace } from './evictor.js'
import { Gate } from './gate.js'
import { judge, staleRow } from './judge.js'
import { mixSeed, Random } from './random.js'
import { type LoopParts, visit } from './renderer.js'
import { Site } from './site.js'
import { createSubjects, type Subject, type SubjectPlan } from './subject.js'

export interface WorkerPlan extends SubjectPlan {
  readonly board: string
  readonly findings: string
  readonly pages: number
  readonly seat: number
  readonly seed: number
  readonly visitors: number
  /** The rows that each of its evictors owns. */
  readonly evictors: readonly (readonly number[])[]
  readonly pace: Pace
}

export type Order = 'rest' | 'go' | 'audit' | 'close'
export type Report = 'ready' | 'resting' | 'audited'

/** What a worker hears and says. */
export interface Channel {
  send(report: Report): void
  onOrder(told: (order: Order) => void): void
  /** Everything is closed. */
  end(): void
}

export function runWorker(plan: WorkerPlan, channel: Channel): void {
  const site = new Site(plan.pages)
  const board = Board.open(plan.board, site.rows)
  const counting = new Counting(board, plan.seat, plan.findings)
  const opening = createSubjects(plan, new Random(mixSeed(plan.seed, 1)), counting)
  const gate = new Gate(plan.visitors + plan.evictors.length, () => {
    counting.write()
    channel.send('resting')
  })

  const suffix = { identity: '', gzip: '.gz', br: '.br' }[plan.coding]
  const fileOf = plan.store === 'disk' ? (key: string) => `${plan.directory}/${key}${suffix}` : undefined
  const partsOf = (subjects: [Subject, ...Subject[]], loop: number): LoopParts => {
    const subject = subjects[loop % subjects.length] ?? subjects[0]
    const random = new Random(mixSeed(plan.seed, 2, loop))
    return { subject, site, board, gate, random, counting, fileOf }
  }

  const work = async (): Promise<void> => {
    const subjects = await opening
    // The first use of a store makes its directory ready and clears what dead processes left.
    await subjects[0].get(site.keyOf(0))
    channel.send('ready')
    const visitors = Array.from({ length: plan.visitors }, (_, loop) => visit(partsOf(subjects, loop), loop % 4 === 3))
    const evictors = plan.evictors.map((rows, loop) =>
      commitAndEvict(partsOf(subjects, plan.visitors + loop), rows, plan.pace),
    )
    await Promise.all([...visitors, ...evictors])
  }

  const working = work()
  const close = async (): Promise<void> => {
    gate.end()
    await working
    for (const subject of await opening) await subject.close()
    counting.write()
    board.close()
    channel.end()
  }
  const auditStore = makeAudit(site, board, counting)
  channel.onOrder((order) => {
    if (order === 'rest') gate.rest()
    else if (order === 'go') gate.go()
    else if (order === 'close') void close()
    else void opening.then(auditStore).then(() => channel.send('audited'))
  })
}

/** For stores without files: what can still be got, at rest. */
function makeAudit(site: Site, board: Board, counting: Counting): (subjects: readonly Subject[]) => Promise<void> {
  const seen = new Set<string>()
  return async (subjects) => {
    const notes = board.notes()
    for (const subject of subjects) {
      for (let page = 0; page < site.pages; page++) {
        board.note(notes)
        const body = await subject.get(site.keyOf(page))
        if (body === undefined) continue
        counting.count('pagesAudited')
        const text = judge(board, counting, { page, body, notes, way: 'audit' })
        const stale = text && staleRow(board, text)
        if (stale === undefined || seen.has(text?.id ?? '')) continue
        seen.add(text?.id ?? '')
        counting.find('staleKept', { page, ...stale, id: text?.id })
      }
    }
    counting.write()
  }
}
