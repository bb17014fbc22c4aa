/**
 * The parts of a fill, step by step as lease.ts, eviction-log.ts, fill.ts, tag-index.ts, page-record.ts and
 * placing.ts of the disk store do them. Each knows what comes before it only by what it finds.
 */
import type { Cell, Memory } from './memory.js'
import { nextPart, type Step } from './process.js'
import type { World } from './world.js'

export type FillPart =
  | 'take lease'
  | 'note log'
  | 'render'
  | 'write token'
  | 'register tags'
  | 'check log'
  | 'write record'
  | 'place page'

export interface FillOptions {
  readonly order: readonly FillPart[]
  readonly fills: number
  /**
   * Whether fills take the lock, or begin regardless of others, as after three waits (default `always`). Without
   * the lock more can happen, in fewer states; with it, it is seen that the lock does no harm.
   */
  readonly lock?: 'always' | 'sometimes' | 'never'
  /** The directory of pages may be renamed away, so that the two halves of a rename are told apart. */
  readonly hasMovingDirectory?: boolean
  /** Which tag a page has that shows this version. */
  readonly tagOf?: (version: number) => number
  /** Whether renderers are taken for one another: half the states, but traces with mixed-up names. */
  readonly isInterchangeable?: boolean
  /** Variant: the tag log is not compared with its path after the write. */
  readonly isUnverified?: boolean
  /** Variant: the tag log is closed before it is compared, so that another may get its inode. */
  readonly isClosedBeforeVerified?: boolean
  /** Every process has opened the log before (and it is not renamed away meanwhile). */
  readonly hasLogOpen?: boolean
  /** Whether the token is held open from before its record is written, so that its inode number stays its own. */
  readonly holdsToken?: boolean
}

export interface FillLocals {
  /** The number of the fill within its process. */
  readonly count: Cell
  readonly hasLock: Cell
  /** The version that was read, plus one. */
  readonly read: Cell
  readonly log: Cell
  /** The tags appended to the log since its length was noted, and those of them that the check was shown. */
  readonly missed: Cell
  readonly shown: Cell
  readonly bucket: Cell
  readonly directory: Cell
  readonly inode: Cell
  /** The number of the token's inode. */
  readonly number: Cell
}

export interface FillContext {
  readonly world: World
  readonly locals: FillLocals
  readonly options: FillOptions
  readonly fill: (m: Memory) => number
  readonly finish: (m: Memory) => string
}

export const fillParts: Readonly<Record<FillPart, (context: FillContext) => Step[]>> = {
  'take lease': takeLease,
  'note log': noteLog,
  render: ({ world, locals, options, fill }) => [
    {
      name: 'render',
      // What the render of a doomed fill reads comes to nothing, unless it says which tags are registered.
      isSettled: (m) => options.tagOf === undefined && !world.hasToken(m, fill(m)),
      run: (m) => m.set(locals.read, m.get(world.version) + 1),
    },
  ],
  'write token': writeToken,
  'register tags': registerTags,
  'check log': checkLog,
  'write record': writeRecord,
  'place page': placePage,
}

function takeLease({ world, locals, options, fill }: FillContext): Step[] {
  return [
    {
      name: 'create token',
      at: 'begin',
      choices: () => (options.lock === 'sometimes' ? 2 : 1),
      run: (m, choice) => {
        world.createToken(m, fill(m))
        return choice === 1 || options.lock === 'never' ? nextPart : undefined
      },
    },
    {
      name: 'link lock to token',
      run: (m) => {
        if (!world.hasToken(m, fill(m))) return 'again'
        if (m.get(world.lock) !== 0) return undefined
        m.set(world.lock, fill(m) + 1)
        m.set(locals.hasLock, 1)
        return nextPart
      },
    },
    {
      name: 'stat lock',
      run: (m) => {
        const lock = m.get(world.lock)
        return lock !== 0 && world.linksOf(m, lock) === 1 ? undefined : 'again'
      },
    },
    { name: 'unlink lock', run: (m) => m.set(world.lock, 0) },
    {
      // Whether it begins again at once or after a wait makes no difference to what may happen meanwhile.
      name: 'stat token',
      at: 'again',
      isSettled: (m) => !world.hasToken(m, fill(m)),
      run: (m) => (world.hasToken(m, fill(m)) ? undefined : 'begin'),
    },
    {
      name: 'unlink token',
      run: (m) => {
        world.removeToken(m, fill(m))
        return 'begin'
      },
    },
  ]
}

function noteLog({ world, locals, options }: FillContext): Step[] {
  // Without tags nothing comes of it.
  if (options.tagOf === undefined) return [{ name: 'stat eviction log', isSettled: () => true, run: () => undefined }]
  const isToOpen = (m: Memory) => m.get(world.log) === 0 || m.get(world.log) === m.get(world.unnamedLog)
  return [
    {
      name: 'stat eviction log',
      // A process that holds this log open already knows its length now; another opens it.
      choices: (m) => (isToOpen(m) || options.hasLogOpen ? 1 : 2),
      run: (m, choice) => {
        if (isToOpen(m) || choice === 1) return undefined
        m.set(locals.log, m.get(world.log))
        m.set(locals.missed, 0)
        return nextPart
      },
    },
    {
      name: 'open eviction log',
      at: 'open log',
      run: (m) => {
        m.set(locals.log, m.get(world.log))
        return m.get(world.log) === 0 ? undefined : 'measure'
      },
    },
    {
      name: 'link eviction log',
      run: (m) => {
        world.linkLog(m)
        return 'open log'
      },
    },
    { name: 'fstat eviction log', at: 'measure', run: (m) => m.set(locals.missed, 0) },
    {
      name: 'read eviction log',
      isSettled: (m) => m.get(locals.log) !== m.get(world.unnamedLog),
      run: (m) => (m.get(locals.log) === m.get(world.unnamedLog) ? undefined : nextPart),
    },
    {
      name: 'rename eviction log away',
      run: (m) => {
        m.set(world.log, 0)
        m.set(locals.log, 0)
        return 'open log'
      },
    },
  ]
}

function writeToken({ world, locals, fill, options }: FillContext): Step[] {
  return [
    {
      name: 'open token',
      isSettled: (m) => !world.hasToken(m, fill(m)),
      run: (m) => {
        if (!world.hasToken(m, fill(m))) {
          m.set(locals.read, 0)
          return 'release'
        }
        m.set(locals.inode, fill(m) + 1)
        return undefined
      },
    },
    {
      name: 'write token',
      run: (m) => {
        m.set(world.contents[fill(m)] as Cell, m.get(locals.read))
        if (options.order.includes('write record')) m.set(locals.number, m.get(world.numbers[fill(m)] as Cell))
        if (options.tagOf === undefined) m.set(locals.read, 0)
        m.set(locals.inode, 0)
      },
    },
  ]
}

function registerTags({ world, locals, options }: FillContext): Step[] {
  const tag = (m: Memory) => options.tagOf?.(m.get(locals.read) - 1) ?? 0
  const steps: Step[] = [
    { name: 'open bucket', at: 'register', run: (m) => m.set(locals.bucket, world.openBucket(m)) },
    { name: 'write bucket', run: (m) => m.add(world.registered[m.get(locals.bucket) - 1] as Cell, tag(m)) },
    {
      name: 'stat bucket',
      run: (m) => {
        const isThere = m.get(world.bucket) === m.get(locals.bucket)
        m.set(locals.bucket, 0)
        return isThere ? undefined : 'register'
      },
    },
  ]
  return options.isUnverified ? steps.slice(0, 2) : steps
}

function checkLog({ world, locals, options }: FillContext): Step[] {
  return [
    {
      name: 'stat eviction log',
      run: (m) => {
        if (m.get(world.log) !== m.get(locals.log)) return 'release'
        m.set(locals.shown, m.get(locals.missed))
        return m.get(locals.shown) === 0 ? nextPart : undefined
      },
    },
    {
      name: 'read eviction log',
      run: (m) => {
        const tag = options.tagOf?.(m.get(locals.read) - 1) ?? 0
        const isEvicted = m.has(locals.shown, tag)
        m.set(locals.shown, 0)
        return isEvicted ? 'release' : undefined
      },
    },
  ]
}

function writeRecord({ world, locals, fill, options }: FillContext): Step[] {
  const hold: Step = {
    name: 'open token',
    isSettled: (m) => !world.hasToken(m, fill(m)),
    run: (m) => {
      if (!world.hasToken(m, fill(m))) return 'release'
      m.set(locals.inode, fill(m) + 1)
      return undefined
    },
  }
  const write: Step = {
    name: 'rename draft to record',
    run: (m) => {
      m.set(world.record, fill(m) + 1)
      m.set(world.recordNumber, m.get(locals.number))
    },
  }
  return options.holdsToken ? [hold, write] : [write]
}

function placePage({ world, locals, fill, options }: FillContext): Step[] {
  return [
    {
      name: 'resolve page directory',
      at: 'place',
      halfOf: 'rename token to page',
      isSettled: () => !options.hasMovingDirectory,
      run: (m) => {
        m.set(locals.directory, m.get(world.directory))
        return m.get(world.directory) === 0 ? 'missing' : undefined
      },
    },
    {
      name: 'rename token to page',
      isSettled: (m) => !world.hasToken(m, fill(m)),
      run: (m) => {
        const directory = m.get(locals.directory)
        m.set(locals.directory, 0)
        if (!world.hasToken(m, fill(m)) || m.has(world.removedDirectories, directory - 1)) return 'missing'
        world.setPage(m, directory, fill(m) + 1)
        world.removeToken(m, fill(m))
        m.set(locals.inode, 0)
        return 'release'
      },
    },
    {
      name: 'stat token',
      at: 'missing',
      isSettled: (m) => !world.hasToken(m, fill(m)),
      run: (m) => (world.hasToken(m, fill(m)) ? undefined : nextPart),
    },
    {
      name: 'make page directory',
      run: (m) => {
        world.makeDirectory(m)
        return 'place'
      },
    },
  ]
}

/** A doomed fill takes back its record, if that still lies there. */
export function dropRecord({ world, locals, options }: FillContext): Step[] {
  if (!options.order.includes('write record')) return []
  const isMine = (m: Memory) => m.get(world.record) !== 0 && m.get(world.recordNumber) === m.get(locals.number)
  const close = (m: Memory) => {
    m.set(locals.inode, 0)
    return 'release'
  }
  return [
    { name: 'read record', run: (m) => (isMine(m) ? undefined : close(m)) },
    { name: 'stat record', run: (m) => (m.get(world.record) === 0 ? close(m) : undefined) },
    {
      name: 'unlink record',
      run: (m) => {
        world.removeRecord(m)
        return close(m)
      },
    },
  ]
}

export function release({ world, locals, fill, finish }: FillContext): Step[] {
  return [
    {
      name: 'stat token',
      at: 'release',
      isSettled: (m) => !world.hasToken(m, fill(m)),
      run: (m) => (world.hasToken(m, fill(m)) ? undefined : 'drop lock'),
    },
    { name: 'unlink token', run: (m) => world.removeToken(m, fill(m)) },
    {
      name: 'stat lock',
      at: 'drop lock',
      isSettled: (m) => m.get(locals.hasLock) === 0,
      run: (m) => {
        const isMine = m.get(locals.hasLock) === 1 && m.get(world.lock) === fill(m) + 1
        return isMine ? undefined : finish(m)
      },
    },
    {
      name: 'unlink lock',
      run: (m) => {
        m.set(world.lock, 0)
        return finish(m)
      },
    },
  ]
}
