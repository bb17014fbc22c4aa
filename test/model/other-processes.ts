/**
 * The processes beside renderers and evictors: one that clears up after owners it believes dead (leftovers.ts,
 * waiting.ts), one that deletes the trash (trash.ts), one that rewrites tag logs (tag-compaction.ts), and one
 * that reads pages with their records (page-file.ts).
 */
import { bitAt, type Cell, countBits, type Memory } from './memory.js'
import { blocked, Process, type Step } from './process.js'
import type { World } from './world.js'

/** Removes a token and its lock; never the page. Whether its owner is dead, it can only guess. */
export function sweepProcess(world: World): Process {
  const victim = world.listing('token suspected by sweeper')
  const inode = world.inodeCell('inode suspected by sweeper')
  const steps: Step[] = [
    {
      name: 'stat token',
      at: 'begin',
      choices: (m) => countBits(m.get(world.tokens)),
      run: (m, choice) => {
        if (m.get(world.suspicions) === 0) return blocked
        const fill = bitAt(m.get(world.tokens), choice)
        m.set(world.suspicions, m.get(world.suspicions) - 1)
        m.add(victim, fill)
        m.set(inode, fill + 1)
      },
    },
    {
      name: 'unlink token',
      run: (m) => {
        if (m.get(victim) !== 0) world.removeToken(m, bitAt(m.get(victim), 0))
        m.set(victim, 0)
      },
    },
    {
      name: 'stat lock',
      run: (m) => {
        const isTheirs = m.get(world.lock) === m.get(inode)
        m.set(inode, 0)
        return isTheirs ? undefined : 'begin'
      },
    },
    {
      name: 'unlink lock',
      run: (m) => {
        m.set(world.lock, 0)
        return 'begin'
      },
    },
  ]
  return new Process(world.plan, { name: 'sweeper', parts: [steps] })
}

/** Deletes what lies in the trash; publishers that had found the directory before may still put pages there. */
export function trashProcess(world: World): Process {
  const trashed = (m: Memory, choice: number) => bitAt(m.get(world.trash), choice)
  const isFull = (m: Memory, directory: number) => m.get(world.entries[directory] as Cell) !== 0
  const steps: Step[] = [
    {
      name: 'unlink page in trash',
      at: 'begin',
      choices: (m) => countBits(m.get(world.trash)),
      run: (m, choice) => {
        if (!isFull(m, trashed(m, choice))) return undefined
        m.set(world.entries[trashed(m, choice)] as Cell, 0)
        return undefined
      },
    },
    {
      name: 'remove directory in trash',
      choices: (m) => countBits(m.get(world.trash)),
      run: (m, choice) => {
        const directory = trashed(m, choice)
        if (!isFull(m, directory)) {
          m.remove(world.trash, directory)
          m.add(world.removedDirectories, directory)
        }
        return 'begin'
      },
    },
  ]
  return new Process(world.plan, { name: 'trash', parts: [steps] })
}

export interface CompactOptions {
  /** How often it rewrites. */
  readonly runs: number
  /** Variant: asks for the page before it asks for a token. */
  readonly asksPageFirst?: boolean
}

/**
 * Rewrites the tag log, or the part that another left. A part's name is a number that is never used twice,
 * so that one taken over from a living process by mistake has another name than before.
 */
export function compactProcess(world: World, index: number, { runs, asksPageFirst }: CompactOptions): Process {
  const { plan } = world
  const name = `compactor ${index + 1}`
  const of = (what: string) => `${what} of ${name}`
  const count = plan.cell(of('runs'))
  const part = world.holdBucket(of('part'))
  const lines = plan.cell(of('lines'))
  const isAlive = plan.cell(of('page or token exists'))
  const target = world.holdBucket(of('new log'))
  const ownName = (m: Memory) => index * runs + m.get(count) + 1
  const finish = (m: Memory) => {
    const next = m.get(count) + 1
    for (const cell of [part, lines, isAlive, target]) m.set(cell, 0)
    m.set(count, next)
    return next < runs ? 'begin' : 'end'
  }
  const others = (m: Memory) => world.parts.flatMap((cell, at) => (m.get(cell) === 0 ? [] : [at]))
  const ask: Step[] = [
    {
      name: 'list leases',
      isSettled: (m) => m.get(isAlive) === 1,
      run: (m) => (m.get(world.tokens) === 0 ? undefined : void m.set(isAlive, 1)),
    },
    {
      name: 'stat page',
      isSettled: (m) => m.get(isAlive) === 1,
      run: (m) => (world.page(m) === 0 ? undefined : void m.set(isAlive, 1)),
    },
  ]
  const steps: Step[] = [
    {
      name: 'rename bucket to part',
      at: 'begin',
      // The log at its path, or one of the parts: of a dead process, or of one believed dead.
      choices: (m) => 1 + others(m).length,
      run: (m, choice) => {
        const source = choice === 0 ? m.get(world.bucket) : (others(m)[choice - 1] as number) + 1
        if (source === 0) return blocked
        if (choice === 0) m.set(world.bucket, 0)
        m.set(world.parts[source - 1] as Cell, ownName(m))
        m.set(part, source)
      },
    },
    { name: 'read part', run: (m) => m.set(lines, m.get(world.registered[m.get(part) - 1] as Cell)) },
    ...(asksPageFirst ? ask.toReversed() : ask),
    { name: 'open bucket', at: 'append', run: (m) => m.set(target, world.openBucket(m)) },
    {
      name: 'write bucket',
      isSettled: (m) => m.get(isAlive) === 0,
      run: (m) => {
        if (m.get(isAlive) === 0) return
        const log = world.registered[m.get(target) - 1] as Cell
        m.set(log, m.get(log) | m.get(lines))
      },
    },
    {
      name: 'stat bucket',
      run: (m) => {
        const isThere = m.get(world.bucket) === m.get(target)
        m.set(target, 0)
        return isThere ? undefined : 'append'
      },
    },
    {
      name: 'unlink part',
      run: (m) => {
        const at = world.parts[m.get(part) - 1] as Cell
        if (m.get(at) === ownName(m)) m.set(at, 0)
        return finish(m)
      },
    },
  ]
  return new Process(plan, { name, parts: [steps], killed: finish })
}

export interface Reader {
  readonly process: Process
  /** The reader has paired a page with the record of another. */
  readonly isMistaken: Cell
}

/** Opens the page, reads its record, and takes the two for one if the record names the page's inode. */
export function readProcess(world: World): Reader {
  const page = world.holdInode('open page of reader')
  const isMistaken = world.plan.cell('reader is mistaken')
  const steps: Step[] = [
    {
      name: 'open page',
      at: 'begin',
      run: (m) => {
        if (world.page(m) === 0) return blocked
        m.set(page, world.page(m))
      },
    },
    {
      name: 'read record',
      run: (m) => {
        const fill = m.get(page) - 1
        const isFit = m.get(world.record) !== 0 && m.get(world.recordNumber) === m.get(world.numbers[fill] as Cell)
        if (isFit && m.get(world.record) !== fill + 1) m.set(isMistaken, 1)
        m.set(page, 0)
        return 'begin'
      },
    },
  ]
  return { process: new Process(world.plan, { name: 'reader', parts: [steps] }), isMistaken }
}
