/**
 * A process that changes the data and then evicts (evict.ts, doom.ts, tag-index.ts of the disk store), again
 * from the beginning when it was killed: the queue forgets a change only when its eviction has returned.
 */
import { bitAt, type Cell, countBits, type Memory } from './memory.js'
import { nextPart, Process, type Step } from './process.js'
import type { World } from './world.js'

export type EvictPart = 'log tag' | 'find keys' | 'doom' | 'doom all' | 'remove'
export type Selector = 'key' | 'subtree' | 'pattern' | 'tag'

/** The orders of the disk store. */
export const evictOrder: Readonly<Record<Selector, readonly EvictPart[]>> = {
  key: ['doom', 'remove'],
  subtree: ['doom', 'remove'],
  pattern: ['doom', 'remove'],
  tag: ['log tag', 'find keys', 'doom', 'remove'],
}

export interface EvictOptions {
  readonly selector: Selector
  readonly order: readonly EvictPart[]
  readonly commits: number
  readonly hasRecords?: boolean
  readonly tagOf?: (version: number) => number
  /** The log may be renamed away after each append. */
  readonly mayRotate?: boolean
  /** Fills take no locks. */
  readonly hasNoLocks?: boolean
  /** Variant: the tag logs are read once, whatever happens to them meanwhile. */
  readonly readsOnce?: boolean
  /** Variant: the tag log is read before the parts that are being rewritten. */
  readonly readsPartsLast?: boolean
  /** Variant: a tag log that is not there is not made, so nothing is held open to compare later. */
  readonly makesNoBucket?: boolean
  /** Variant: the tag log is taken away, and so forgotten if this process is killed. */
  readonly takesBucket?: boolean
}

interface Locals {
  /** The version that this process committed and now evicts; 0 when it has nothing to do. */
  readonly version: Cell
  readonly commits: Cell
  readonly list: Cell
  readonly hasUnlinked: Cell
  readonly isFound: Cell
  readonly log: Cell
  readonly bucket: Cell
  /** The parts as they were listed, and which of them are still to be read. */
  readonly parts: readonly Cell[]
  readonly unread: Cell
}

interface Context {
  readonly world: World
  readonly locals: Locals
  readonly options: EvictOptions
  readonly logs: readonly { readonly noted: Cell; readonly missed: Cell }[]
}

/** `logs`: what each renderer has noted of the eviction log. */
export function evictProcess(world: World, index: number, options: EvictOptions, logs: Context['logs']): Process {
  const { plan } = world
  const name = `evictor ${index + 1}`
  const of = (what: string) => `${what} of ${name}`
  const locals: Locals = {
    version: plan.cell(of('version')),
    commits: plan.cell(of('commits')),
    list: world.listing(of('tokens listed')),
    hasUnlinked: plan.cell(of('has unlinked')),
    isFound: plan.cell(of('key found')),
    log: world.holdLog(of('open log')),
    bucket: world.holdBucket(of('open bucket')),
    parts: world.parts.map((_, at) => plan.cell(of(`listed part ${at}`))),
    unread: plan.cell(of('unread parts')),
  }
  const forget = (m: Memory) => {
    const { version: _version, commits: _commits, parts: listed, ...rest } = locals
    for (const cell of [...Object.values(rest), ...listed]) m.set(cell, 0)
  }
  const context: Context = { world, locals, options, logs }
  const commit: Step = {
    name: 'commit',
    at: 'commit',
    run: (m) => {
      m.set(world.version, m.get(world.version) + 1)
      m.set(locals.version, m.get(world.version))
      m.set(locals.commits, m.get(locals.commits) + 1)
    },
  }
  const acknowledge: Step = {
    name: 'acknowledge',
    at: 'acknowledge',
    run: (m) => {
      m.set(world.acknowledged, Math.max(m.get(world.acknowledged), m.get(locals.version)))
      m.set(locals.version, 0)
      forget(m)
      return m.get(locals.commits) < options.commits ? 'commit' : 'end'
    },
  }
  const [first, ...others] = options.order.map((part) => parts[part](context))
  const begin = first?.map((step, at) => (at === 0 ? { ...step, at: 'evict' } : step)) ?? []
  return new Process(plan, {
    name,
    parts: [[commit], begin, ...others, [acknowledge]],
    killed: (m) => {
      forget(m)
      return m.get(locals.version) === 0 ? 'commit' : 'evict'
    },
  })
}

const parts: Readonly<Record<EvictPart, (context: Context) => Step[]>> = {
  'log tag': logTag,
  'find keys': findKeys,
  doom: (context) => doom(context, false),
  'doom all': (context) => doom(context, true),
  remove,
}

/** Whether there is anything to doom and to remove. */
function concerns({ options, locals }: Context, m: Memory): boolean {
  return options.selector !== 'tag' || m.get(locals.isFound) === 1
}

function logTag({ world, locals, options, logs }: Context): Step[] {
  const steps: Step[] = [
    { name: 'open eviction log', at: 'log', run: (m) => m.set(locals.log, world.openLog(m)) },
    {
      name: 'write eviction log',
      run: (m) => {
        const tag = tagOf(options, locals, m)
        for (const { noted, missed } of logs) if (m.get(noted) === m.get(locals.log)) m.add(missed, tag)
      },
    },
    {
      name: 'stat eviction log',
      choices: () => (options.mayRotate ? 2 : 1),
      run: (m, choice) => {
        const isThere = m.get(world.log) === m.get(locals.log)
        m.set(locals.log, 0)
        if (!isThere) return 'log'
        return choice === 1 ? undefined : nextPart
      },
    },
  ]
  const rotate: Step = { name: 'rename eviction log away', run: (m) => m.set(world.log, 0) }
  return options.mayRotate ? [...steps, rotate] : steps
}

function tagOf(options: EvictOptions, locals: Locals, m: Memory): number {
  return options.tagOf?.(m.get(locals.version) - 1) ?? 0
}

function findKeys(context: Context): Step[] {
  const { world, locals, options } = context
  const found = (m: Memory, bucket: number): undefined => {
    const isHere = bucket !== 0 && m.has(world.registered[bucket - 1] as Cell, tagOf(options, locals, m))
    if (isHere) m.set(locals.isFound, 1)
  }
  if (options.takesBucket) {
    const take = (m: Memory): undefined => {
      found(m, m.get(world.bucket))
      m.set(world.bucket, 0)
    }
    return [{ name: 'rename bucket to part', run: take }]
  }
  const listed = (m: Memory) => locals.parts.map((part) => m.get(part))
  const there = (m: Memory) => world.parts.map((part) => m.get(part))
  const readBucket: Step = { name: 'read bucket', run: (m) => found(m, m.get(locals.bucket)) }
  const readParts: Step[] = [
    {
      name: 'list compacting',
      run: (m) => {
        for (const [at, name] of there(m).entries()) {
          m.set(locals.parts[at] as Cell, name)
          if (name !== 0) m.add(locals.unread, at)
        }
        return m.get(locals.unread) === 0 ? (options.readsPartsLast ? 'compare' : 'read') : undefined
      },
    },
    {
      name: 'read part',
      choices: (m) => countBits(m.get(locals.unread)),
      at: 'part',
      run: (m, choice) => {
        const at = bitAt(m.get(locals.unread), choice)
        m.remove(locals.unread, at)
        if (m.get(locals.parts[at] as Cell) === m.get(world.parts[at] as Cell)) found(m, at + 1)
        return m.get(locals.unread) !== 0 ? 'part' : options.readsPartsLast ? 'compare' : 'read'
      },
    },
  ]
  const again = (m: Memory) => {
    for (const cell of [...locals.parts, locals.bucket]) m.set(cell, 0)
    m.set(locals.isFound, 0)
    return 'open'
  }
  const settle = (m: Memory) => {
    for (const cell of [...locals.parts, locals.bucket]) m.set(cell, 0)
    return nextPart
  }
  const compare: Step[] = [
    {
      name: 'stat bucket',
      at: 'compare',
      run: (m) => {
        if (options.readsOnce) return settle(m)
        return m.get(world.bucket) === m.get(locals.bucket) ? undefined : again(m)
      },
    },
    {
      name: 'list compacting',
      run: (m) => (there(m).join() === listed(m).join() ? settle(m) : again(m)),
    },
  ]
  const open: Step = {
    name: 'open bucket',
    at: 'open',
    run: (m) => m.set(locals.bucket, options.makesNoBucket ? m.get(world.bucket) : world.openBucket(m)),
  }
  const labelled = { ...readBucket, at: 'read' }
  return options.readsPartsLast
    ? [open, labelled, ...readParts, ...compare]
    : [open, ...readParts, labelled, ...compare]
}

function doom(context: Context, isAll: boolean): Step[] {
  const { world, locals, options } = context
  const tag = isAll ? 'all' : 'some'
  return [
    {
      name: 'list leases',
      isSettled: (m) => !isAll && !concerns(context, m),
      run: (m) => {
        if (!isAll && !concerns(context, m)) return 'acknowledge'
        m.set(locals.list, m.get(world.tokens))
        return m.get(locals.list) === 0 ? nextPart : undefined
      },
    },
    {
      name: 'unlink token',
      at: `unlink ${tag}`,
      choices: (m) => Math.max(countBits(m.get(locals.list)), 1),
      run: (m, choice) => {
        // Those that went by themselves meanwhile have been forgotten: their unlink finds nothing.
        if (m.get(locals.list) !== 0) {
          world.removeToken(m, bitAt(m.get(locals.list), choice))
          m.set(locals.hasUnlinked, 1)
        }
        if (m.get(locals.list) !== 0) return `unlink ${tag}`
        return m.get(locals.hasUnlinked) === 1 ? undefined : nextPart
      },
    },
    {
      name: 'stat lock',
      isSettled: () => options.hasNoLocks === true,
      run: (m) => {
        m.set(locals.hasUnlinked, 0)
        const lock = m.get(world.lock)
        return lock !== 0 && world.linksOf(m, lock) === 1 ? undefined : nextPart
      },
    },
    { name: 'unlink lock', run: (m) => m.set(world.lock, 0) },
  ]
}

function remove(context: Context): Step[] {
  const { world, options } = context
  const records: Step[] = [
    { name: 'stat record', at: 'record', run: (m) => (m.get(world.record) === 0 ? nextPart : undefined) },
    { name: 'unlink record', run: (m) => world.removeRecord(m) },
  ]
  const page: Step[] = [
    {
      name: 'stat page',
      isSettled: (m) => !concerns(context, m),
      run: (m) => (concerns(context, m) && world.page(m) !== 0 ? undefined : options.hasRecords ? 'record' : nextPart),
    },
    {
      name: 'unlink page',
      run: (m) => {
        if (m.get(world.directory) !== 0) world.setPage(m, m.get(world.directory), 0)
      },
    },
  ]
  const afterwards = options.hasRecords ? records : []
  if (options.selector === 'subtree')
    return [...moveToTrash(context), ...(options.hasRecords ? moveRecords(context) : [])]
  if (options.selector === 'pattern') {
    const list: Step = { name: 'list page directory', run: (m) => (world.page(m) === 0 ? nextPart : undefined) }
    return [list, ...page, ...afterwards]
  }
  return [...page, ...afterwards]
}

function moveToTrash({ world, options }: Context): Step[] {
  const otherwise = options.hasRecords ? 'records' : nextPart
  return [
    { name: 'stat page directory', run: (m) => (m.get(world.directory) === 0 ? otherwise : undefined) },
    {
      name: 'rename page directory to trash',
      run: (m) => {
        if (m.get(world.directory) === 0) return otherwise
        m.add(world.trash, m.get(world.directory) - 1)
        m.set(world.directory, 0)
        return otherwise
      },
    },
  ]
}

function moveRecords({ world }: Context): Step[] {
  return [
    { name: 'stat records directory', at: 'records', run: (m) => (m.get(world.record) === 0 ? nextPart : undefined) },
    { name: 'rename records to trash', run: (m) => world.removeRecord(m) },
  ]
}
