/** Two hundred callers in each of four processes on one cold page, and the renderer killed half-way. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Order, Word } from './takeover-process.js'

const program = fileURLToPath(new URL('takeover-process.ts', import.meta.url))

class Crowd {
  readonly child: ChildProcess
  readonly #heard: Word[] = []
  #listeners: (() => void)[] = []

  constructor(directory: string, counter: string) {
    this.child = fork(program, [directory, counter], { execArgv: ['--import', 'tsx'] })
    this.child.on('message', (word: Word) => {
      this.#heard.push(word)
      for (const listener of this.#listeners.splice(0)) listener()
    })
  }

  async says(kind: Word['kind']): Promise<Word> {
    for (;;) {
      const word = this.#heard.find((heard) => heard.kind === kind)
      if (word !== undefined) return word
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
  }

  tell(order: Order): void {
    this.child.send(order)
  }
}

describe('200 callers in each of 4 processes on one cold page', () => {
  let parent = ''
  let crowds: Crowd[] = []
  const counter = () => join(parent, 'renders')
  const renderers = () => readFileSync(counter(), 'utf8').split('\n').filter(Boolean).map(Number)
  const leases = () => readdirSync(join(parent, 'cache/.pagekeep/leases'))

  beforeEach(async () => {
    parent = mkdtempSync(join(tmpdir(), 'pagekeep-takeover-'))
    writeFileSync(counter(), '')
    crowds = [1, 2, 3, 4].map(() => new Crowd(join(parent, 'cache'), counter()))
    await Promise.all(crowds.map((crowd) => crowd.says('ready')))
  })
  afterEach(() => {
    for (const { child } of crowds) child.kill('SIGKILL')
    rmSync(parent, { recursive: true, force: true })
  })

  /** All ask, one renders, the others wait for it. */
  async function ask(): Promise<Crowd> {
    for (const crowd of crowds) crowd.tell({ act: 'ask', key: 'cold.html', callers: 200 })
    const renderer = await Promise.race(crowds.map((crowd) => crowd.says('rendering').then(() => crowd)))
    await Promise.all(crowds.map((crowd) => crowd.says('waiting')))
    return renderer
  }

  it('are answered by one render', async () => {
    const renderer = await ask()
    renderer.tell({ act: 'finish' })
    const answered = await Promise.all(crowds.map((crowd) => crowd.says('answered')))
    expect(renderers()).toEqual([renderer.child.pid])
    for (const word of answered) {
      expect(word).toEqual({ kind: 'answered', answers: [`by ${renderer.child.pid}`], count: 200 })
    }
    expect(leases()).toEqual([])
  })

  it('are answered by one more when the renderer is killed half-way', async () => {
    const killed = await ask()
    const exited = once(killed.child, 'exit')
    killed.child.kill('SIGKILL')
    await exited
    const others = crowds.filter((crowd) => crowd !== killed)
    const heir = await Promise.race(others.map((crowd) => crowd.says('rendering').then(() => crowd)))
    heir.tell({ act: 'finish' })
    const answered = await Promise.all(others.map((crowd) => crowd.says('answered')))
    expect(renderers()).toEqual([killed.child.pid, heir.child.pid])
    for (const word of answered) {
      expect(word).toEqual({ kind: 'answered', answers: [`by ${heir.child.pid}`], count: 200 })
    }
    expect(leases()).toEqual([])
  })
})
