/**
 * Who owns a token, and whether he lives. A token is `<pid>.<start>.<boot>-<namespace>.<thread>.<unique>`
 * and is never used twice. The start time tells a process from a later one with its number, the boot id
 * one boot from the next, the pid namespace one container from another.
 *
 * Liveness only: a wrong answer costs a second render, never a stale page.
 */
import { randomBytes } from 'node:crypto'
import { threadId } from 'node:worker_threads'
import type { Files } from './files.js'

/** `unknown`: an owner in another container or thread, which only the age of its token can tell about. */
export type Liveness = 'alive' | 'dead' | 'unknown'

// How long a render in another container or worker thread may take before others stop waiting for it.
const strangerMs = 60_000

// Both builds (ESM and CJS) may be loaded; they must know each other's tokens.
const registry = Symbol.for('pagekeep.disk.tokens')
const shared = globalThis as { [registry]?: Set<string> }
const tokens = shared[registry] ?? new Set<string>()
shared[registry] = tokens

const unique = randomBytes(8).toString('hex')
let count = 0

export class Owner {
  readonly #files: Files
  readonly #place: string
  readonly #prefix: string

  constructor(files: Files) {
    this.#files = files
    this.#place = `${this.#read('/proc/sys/kernel/random/boot_id').slice(0, 8)}-${this.#namespace()}`
    this.#prefix = `${process.pid}.${this.#startOf(process.pid)}.${this.#place}.${threadId}.${unique}`
  }

  /** A token of this thread, alive until it is retired. */
  mint(): string {
    count++
    const token = `${this.#prefix}${count.toString(36)}`
    tokens.add(token)
    return token
  }

  retire(token: string): void {
    tokens.delete(token)
  }

  livenessOf(token: string): Liveness {
    if (tokens.has(token)) return 'alive'
    const [pid = '', start = '', place = '', thread = ''] = token.split('.')
    const processId = Number(pid)
    if (!Number.isSafeInteger(processId) || processId < 1) return 'dead'
    if (place !== this.#place) return place.split('-')[0] === this.#place.split('-')[0] ? 'unknown' : 'dead'
    if (processId === process.pid && thread === String(threadId)) return 'dead'
    if (!isRunning(processId)) return 'dead'
    const startNow = this.#startOf(processId)
    if (startNow === 'gone' || (startNow !== '0' && startNow !== start)) return 'dead'
    return thread === '0' ? 'alive' : 'unknown'
  }

  /** Whether nobody will come back for `token`, whose file was last touched at `touchedAtMs`. */
  isAbandoned(token: string, touchedAtMs: number): boolean {
    const liveness = this.livenessOf(token)
    return liveness === 'dead' || (liveness === 'unknown' && Date.now() - touchedAtMs > strangerMs)
  }

  /** Clock ticks from boot to the start of the process; `gone` for a zombie, `0` where nothing tells. */
  #startOf(pid: number): string {
    const stat = this.#read(`/proc/${pid}/stat`)
    // The name in parentheses may hold anything, so fields are counted from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone'
    return fields[19] ?? '0'
  }

  #namespace(): string {
    try {
      return this.#files.stat('/proc/self/ns/pid')?.ino.toString(36) ?? '0'
    } catch {
      return '0'
    }
  }

  #read(path: string): string {
    try {
      return this.#files.text(path)
    } catch {
      return ''
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as { code?: string }).code !== 'ESRCH'
  }
}
