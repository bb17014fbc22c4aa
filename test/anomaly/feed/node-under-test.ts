/** A node as its test sees it: started, killed, paused, and its files looked at from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import pg from 'pg'
import { pagesIn } from '../../../stress/audit-files.js'
import type { NodeMessage, NodePlan } from './node-process.js'
import { pages } from './shop.js'

const program = path.join(import.meta.dirname, 'node-process.ts')

export class NodeUnderTest {
  readonly plan: NodePlan
  /** Why its store was emptied, each time. */
  readonly emptied: string[] = []
  readonly #messages: NodeMessage[] = []
  #child: ChildProcess | undefined
  #wake: () => void = () => undefined

  constructor(plan: NodePlan) {
    this.plan = plan
  }

  /** Resolves when it listens. `through` is a command that starts it, and its arguments. */
  async start(through: readonly string[] = []): Promise<void> {
    const [command = process.execPath, ...before] = [...through, process.execPath, '--import', 'tsx', program]
    const child = spawn(command, [...before, JSON.stringify(this.plan)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('message', (message: NodeMessage) => {
      if (message.says === 'emptied') this.emptied.push(message.reason)
      this.#messages.push(message)
      this.#wake()
    })
    child.on('exit', () => this.#wake())
    await this.hears('listening')
  }

  /** Ends its serving; resolves when it says that everything that is committed now is evicted. */
  async settle(): Promise<void> {
    this.#child?.send('settle')
    await this.hears('settled')
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Each kept page that is not what the database says now. Uses nothing of the cache. */
  async audit(connection: string): Promise<{ readonly kept: number; readonly stale: string[] }> {
    const client = new pg.Client({ connectionString: connection })
    await client.connect()
    try {
      const stale: string[] = []
      let kept = 0
      for (const { path: key, bytes } of pagesIn(this.plan.directory)) {
        kept++
        const page = pages.find((known) => known.key === key)
        const { rows } = await client.query<{ text: string }>(page?.sql ?? 'SELECT NULL AS text', page && [page.id])
        if (rows[0]?.text !== bytes.toString()) stale.push(`${key}: ${bytes} is kept, and it is ${rows[0]?.text}`)
      }
      return { kept, stale }
    } finally {
      await client.end()
    }
  }

  /** The next message of the kind; fails when it says that it failed, or ends. */
  async hears(wanted: NodeMessage['says']): Promise<void> {
    for (;;) {
      const at = this.#messages.findIndex(({ says }) => says === wanted || says === 'failed')
      const [message] = at === -1 ? [] : this.#messages.splice(at, 1)
      if (message?.says === 'failed') throw new Error(`The node ${this.plan.node} failed: ${message.reason}`)
      if (message !== undefined) return
      if (this.#child?.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`The node ${this.plan.node} ended instead of ${wanted}`)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
