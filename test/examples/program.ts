/** Runs a program of the examples as a process of its own, with its lines as they come. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { fastDirectory } from '../support/fast-directory.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export class Program {
  readonly child: ChildProcess
  output = ''
  readonly #ended: Promise<number | null>
  readonly #listeners = new Set<() => void>()

  /** `file` from the root of the repository, or absolute. */
  constructor(file: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
      cwd: root,
      env: { ...process.env, TMPDIR: fastDirectory(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
        for (const listener of this.#listeners) listener()
      })
    }
    this.#ended = once(this.child, 'close').then(([code]) => {
      for (const listener of this.#listeners) listener()
      return code as number | null
    })
  }

  /** Resolves to the first match in what it has written; rejects when it ends without one. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.output)
        if (found === null && !this.hasEnded) return
        this.#listeners.delete(look)
        if (found === null) reject(new Error(`It ended without saying ${pattern}:\n${this.output}`))
        else resolve(found)
      }
      this.#listeners.add(look)
      look()
    })
  }

  count(pattern: RegExp): number {
    return [...this.output.matchAll(pattern)].length
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Its exit status, when all it wrote has been read. */
  ended(): Promise<number | null> {
    return this.#ended
  }

  /** Ends it if it is still there. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.hasEnded) this.child.kill(signal)
    return this.#ended
  }
}
