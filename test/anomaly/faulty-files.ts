/**
 * The store's seam with one fault in it: the nth call fails, or every call from the nth on, with a chosen
 * errno. It remembers which calls it has failed, over all tests of a file.
 */
import { type Files, systemFiles } from 'pagekeep/stores/disk'

export type Call = keyof Files
export type Errno = 'EMFILE' | 'ENOSPC' | 'EROFS' | 'EIO' | 'EACCES'

/** What each errno can come from: a `read` meets no read-only disk. EIO comes from everything. */
const calls: Readonly<Record<Exclude<Errno, 'EIO'>, readonly Call[]>> = {
  EMFILE: ['open', 'names', 'list', 'text', 'watch'],
  ENOSPC: ['open', 'write', 'mkdir', 'link', 'rename', 'watch', 'fchmod', 'chmod'],
  EROFS: ['open', 'mkdir', 'rename', 'link', 'unlink', 'rmdir', 'chmod', 'fchmod'],
  EACCES: [
    ...(['open', 'stat', 'lstat', 'text', 'names', 'list', 'watch', 'mkdir', 'rename', 'link', 'unlink'] as const),
    ...(['rmdir', 'chmod', 'fchmod'] as const),
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
}

/** The calls that have failed at least once, whatever the fault. */
export const failedCalls = new Set<Call>()

export class FaultyFiles {
  readonly files: Files
  /** Whether the fault came to pass. */
  hasFailed = false
  /** What failed, for messages. */
  failed = ''
  #left: number
  readonly #fault: Fault | undefined
  #isArmed = false

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
  }

  #call(call: Call, real: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const fault = this.#fault
    if (fault === undefined || !this.#isArmed || !canFail(call, fault.errno)) return real(...args)
    this.#left--
    if (this.#left > 0 || (this.#left < 0 && !fault.forGood)) return real(...args)
    this.hasFailed = true
    failedCalls.add(call)
    if (this.failed === '') this.failed = `${call}(${args.filter((arg) => typeof arg === 'string').join(', ')})`
    // A descriptor is closed even if closing it reports an error; anything else would leak it here.
    if (fault.isLate || call === 'close') workDone(call, real, args)
    throw Object.assign(new Error(`${fault.errno}: injected into ${call}`), { code: fault.errno })
  }
}

export function canFail(call: Call, errno: Errno): boolean {
  return errno === 'EIO' || calls[errno].includes(call)
}

/** Done, with what it returned thrown away. */
function workDone(call: Call, real: (...args: unknown[]) => unknown, args: unknown[]): void {
  const result = real(...args)
  if (call === 'open') systemFiles.close(result as number)
  if (call === 'watch') (result as { close(): void }).close()
}
