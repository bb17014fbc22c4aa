/** The process that clears a queue row by row, seen from the benchmark: in Python where it has psycopg2, else in Node. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Scratch } from './scratch.js'
import { queueChannel, queueTable } from './shop.js'

export interface Drained {
  readonly rows: number
  readonly seconds: number
}

export class FpLoop {
  readonly language: 'python' | 'node'
  readonly directory: string
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>

  private constructor(language: FpLoop['language'], directory: string, child: ChildProcess) {
    this.language = language
    this.directory = directory
    this.#child = child
    if (child.stdout === null) throw new Error('The loop has no output')
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Resolves when it listens. */
  static async start(url: string, directory: string, scratch: Scratch, withoutPython: boolean): Promise<FpLoop> {
    const python = withoutPython ? undefined : findPython()
    const file = path.join(import.meta.dirname, python === undefined ? 'fp-loop-child.ts' : 'fp_loop.py')
    const program = python === undefined ? [process.execPath, ...process.execArgv, file] : [python, file]
    const [command = '', ...words] = [...program, url, directory, queueTable, queueChannel]
    const child = scratch.owns(spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] }))
    const loop = new FpLoop(python === undefined ? 'node' : 'python', directory, child)
    await loop.#answer()
    return loop
  }

  /** Clears the queue, for at most so long. */
  async drain(seconds: number): Promise<Drained> {
    this.#child.stdin?.write(`drain ${seconds}\n`)
    return JSON.parse(await this.#answer()) as Drained
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    await ended
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('The loop that clears row by row has ended')
    return value
  }
}

function findPython(): string | undefined {
  const has = (program: string) => spawnSync(program, ['-c', 'import psycopg2'], { stdio: 'ignore' }).status === 0
  return ['python3', '/usr/bin/python3'].find(has)
}
