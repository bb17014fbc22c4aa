/**
 * The store's seam with one fault in it: the nth call fails, or every call from the nth on, with a chosen
 * errno. It remembers what it has failed, over all tests of a file.
 */
import { type Files, systemFiles } from 'pagekeep/stores/disk'
import { callSite } from './call-sites.js'

export type Call = keyof Files
export const errnos = ['EIO', 'EACCES', 'EMFILE', 'ENOSPC', 'EROFS'] as const
export type Errno = (typeof errnos)[number]

/** Reading a clock fails on no machine. */
const clocks: readonly Call[] = ['monotonicMs']

/** Every call of the seam that can fail. */
export const failingCalls = (Object.keys(systemFiles) as Call[]).filter((call) => !clocks.includes(call))

/** What each errno can come from: a `read` meets no read-only disk. EIO comes from everything. */
const origins: Readonly<Record<Exclude<Errno, 'EIO'>, readonly Call[]>> = {
  EMFILE: ['open', 'names', 'list', 'text', 'watch', 'openLater', 'textLater'],
  ENOSPC: ['open', 'write', 'mkdir', 'link', 'rename', 'watch', 'fchmod', 'chmod'],
  EROFS: ['open', 'mkdir', 'rename', 'link', 'unlink', 'rmdir', 'chmod', 'fchmod', 'utimes'],
  EACCES: [
    ...(['open', 'stat', 'lstat', 'text', 'names', 'list', 'watch', 'mkdir', 'rename', 'link', 'unlink'] as const),
    ...(['rmdir', 'chmod', 'fchmod', 'utimes', 'freeBytes', 'exists', 'openLater', 'lstatLater', 'textLater'] as const),
  ],
}

export interface Fault {
  /** Counted from 1, beginning when the fault is armed. */
  readonly nth: number
  readonly errno: Errno
  /** Whether every later call fails as well. */
  readonly forGood: boolean
  /** Whether the call does its work before it says that it failed, as on a disk that answers too late. */
  readonly isLate?: boolean
  /** Only these calls are counted, and fail, be it with an errno that they never give. Default: all that give it. */
  readonly only?: (call: Call, place: string) => boolean
  /** Instead: only what is called in one of these places of the source (call-sites.ts). */
  readonly sites?: readonly string[]
}

/** `<call> <errno>` of everything that has failed at least once, whatever the fault. */
export const failed = new Set<string>()

/** What of these calls has never failed with each errno. */
export function neverFailed(calls: readonly string[]): string[] {
  return calls.flatMap((call) => errnos.map((errno) => `${call} ${errno}`)).filter((pair) => !failed.has(pair))
}

export class FaultyFiles {
  readonly files: Files
  /** Whether the fault came to pass. */
  hasFailed = false
  /** What failed, for messages. */
  failed = ''
  /** Each `<call> <place>` since it was armed, and how often it came. */
  readonly seen = new Map<string, number>()
  /** Done before each call, whether or not it is to fail: as another process that comes between. */
  slipIn: ((call: Call, args: readonly unknown[]) => void) | undefined
  /** Where in the source it was called since then, and which of those calls failed; for faults at sites. */
  readonly calledAt = new Set<string>()
  readonly failedAt = new Set<string>()
  #left: number
  readonly #places = new Map<unknown, string>()
  readonly #fault: Fault | undefined
  #isArmed = false
  #leaptMs = 0

  constructor(fault?: Fault) {
    this.#fault = fault
    this.#left = fault?.nth ?? Number.POSITIVE_INFINITY
    this.files = new Proxy(systemFiles, {
      get: (target, call: Call) => {
        const real = target[call] as (...args: unknown[]) => unknown
        return (...args: unknown[]) => this.#call(call, real, args)
      },
    })
  }

  /** From here on calls are counted, and fail. */
  arm(): void {
    this.#isArmed = true
  }

  /** From here on nothing fails. */
  heal(): void {
    this.#isArmed = false
    this.slipIn = undefined
  }

  /** Lets so much time pass by the seam's clock. */
  leap(ms: number): void {
    this.#leaptMs += ms
  }

  #call(call: Call, real: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    if (call === 'monotonicMs') return Number(real(...args)) + this.#leaptMs
    if (!failingCalls.includes(call)) return real(...args)
    if (this.#isArmed) this.slipIn?.(call, args)
    const place = typeof args[0] === 'string' ? placeOf(args[0]) : (this.#places.get(args[0]) ?? 'unknown')
    const isToFail = this.#isToFail(call, place)
    if (isToFail) return this.#fail(call, real, args)
    const result = real(...args)
    if (call === 'open') this.#places.set(result, place)
    return result
  }

  #isToFail(call: Call, place: string): boolean {
    const fault = this.#fault
    if (!this.#isArmed) return false
    const signature = `${call} ${place}`
    this.seen.set(signature, (this.seen.get(signature) ?? 0) + 1)
    if (fault === undefined || !this.#isMeant(fault, call, place)) return false
    this.#left--
    return this.#left === 0 || (this.#left < 0 && fault.forGood)
  }

  #isMeant({ only, sites, errno }: Fault, call: Call, place: string): boolean {
    if (sites === undefined) return only?.(call, place) ?? canFail(call, errno)
    const site = callSite(call)
    this.calledAt.add(site)
    return sites.includes(site)
  }

  #fail(call: Call, real: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const { errno = 'EIO', isLate = false } = this.#fault ?? {}
    this.hasFailed = true
    if (this.#fault?.sites !== undefined) this.failedAt.add(callSite(call))
    failed.add(`${call} ${errno}`)
    if (this.failed === '') this.failed = `${call}(${args.filter((arg) => typeof arg === 'string').join(', ')})`
    // A descriptor is closed even if closing it reports an error; anything else would leak it here.
    const isDone = isLate || call === 'close' || call === 'closeLater'
    const result = isDone ? workDone(call, real, args) : undefined
    const error = Object.assign(new Error(`${errno}: injected into ${call}`), { code: errno })
    // What cannot be seen is taken not to be there.
    if (call === 'exists') return false
    if (!call.endsWith('Later')) throw error
    return Promise.resolve(result).then(() => Promise.reject(error))
  }
}

export function canFail(call: Call, errno: Errno): boolean {
  return errno === 'EIO' || origins[errno].includes(call)
}

/** What kind of file a path leads to: `lru/full`, `leases`, `page`. */
function placeOf(path: string): string {
  if (path.startsWith('/proc/')) return 'proc'
  const [, inside] = path.split('/.pagekeep/')
  if (inside === undefined) return path.endsWith('/.pagekeep') ? 'home' : 'page'
  const [room = '', name = ''] = inside.split('/')
  return room === 'lru' ? `lru/${name.split(/[.~]/)[0]}` : room
}

/** Done, with what it returned thrown away; of work on a thread, its end. */
function workDone(call: Call, real: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  const result = real(...args)
  if (call === 'open') systemFiles.close(result as number)
  if (call === 'openLater') return (result as Promise<number>).then((fd) => systemFiles.close(fd))
  if (call === 'watch') (result as { close(): void }).close()
  return result
}
