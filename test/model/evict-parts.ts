/**
 * The parts of an eviction, step by step as evict.ts, doom.ts, eviction-log.ts, tag-index.ts and trash.ts of the
 * disk store do them, and the variants that lack one protection each.
 */
import { bitAt, type Cell, countBits, type Memory } from './memory.js'
import { nextPart, type Step } from './process.js'
import type { World } from './world.js'

export type EvictPart = 'log tag' | 'find keys' | 'doom' | 'doom all' | 'remove'
export type Selector = 'key' | 'subtree' | 'pattern' | 'tag'

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

export interface EvictLocals {
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

export interface EvictContext {
  readonly world: World
  readonly locals: EvictLocals
  readonly options: EvictOptions
  readonly logs: readonly { readonly noted: Cell; readonly missed: Cell }[]
}

export const evictParts: Readonly<Record<EvictPart, (context: EvictContext) => Step[]>> = {
  'log tag': logTag,
  'find keys': findKeys,
  doom: (context) => doom(context, false),
  'doom all': (context) => doom(context, true),
  remove,
}

/** Whether there is anything to doom and to remove. */
function concerns({ options, locals }: EvictContext, m: Memory): boolean {
  return options.selector !== 'tag' || m.get(locals.isFound) === 1
}

function logTag({ world, locals, options, logs }: EvictContext): Step[] {
  const steps: Step[] = [
    {
      name: 'open eviction log',
      at: 'log',
      run: (m) => {
        m.set(locals.log, m.get(world.log))
        return m.get(world.log) === 0 ? undefined : 'append'
      },
    },
    {
      name: 'link eviction log',
      run: (m) => {
        world.linkLog(m)
        return 'log'
      },
    },
    {
      name: 'write eviction log',
      at: 'append',
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

function tagOf(options: EvictOptions, locals: EvictLocals, m: Memory): number {
  return options.tagOf?.(m.get(locals.version) - 1) ?? 0
}

function findKeys(context: EvictContext): Step[] {
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

function doom(context: EvictContext, isAll: boolean): Step[] {
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

function remove(context: EvictContext): Step[] {
  const { world, options } = context
  const records: Step[] = [
    { name: 'stat records directory', at: 'record', run: (m) => (m.get(world.record) === 0 ? nextPart : undefined) },
    { name: 'stat record', run: (m) => (m.get(world.record) === 0 ? nextPart : undefined) },
    { name: 'unlink record', run: (m) => world.removeRecord(m) },
  ]
  const unlink: Step = {
    name: 'unlink page',
    run: (m) => {
      if (m.get(world.directory) !== 0) world.setPage(m, m.get(world.directory), 0)
    },
  }
  const look: Step = {
    name: 'stat page',
    isSettled: (m) => !concerns(context, m),
    run: (m) => (concerns(context, m) && world.page(m) !== 0 ? undefined : options.hasRecords ? 'record' : nextPart),
  }
  const afterwards = options.hasRecords ? records : []
  if (options.selector === 'subtree')
    return [...moveToTrash(context), ...(options.hasRecords ? moveRecords(context) : [])]
  if (options.selector === 'pattern') {
    const lookFor: Step = {
      name: 'stat page directory',
      run: (m) => (m.get(world.directory) === 0 ? nextPart : undefined),
    }
    const list: Step = { name: 'list page directory', run: (m) => (world.page(m) === 0 ? nextPart : undefined) }
    return [lookFor, list, unlink, ...afterwards]
  }
  return [look, unlink, ...afterwards]
}

function moveToTrash({ world, options }: EvictContext): Step[] {
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

function moveRecords({ world }: EvictContext): Step[] {
  return [
    { name: 'stat records directory', at: 'records', run: (m) => (m.get(world.record) === 0 ? nextPart : undefined) },
    { name: 'rename records to trash', run: (m) => world.removeRecord(m) },
  ]
}
