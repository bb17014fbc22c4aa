/** The renderer in another process, on the same directory: each call is a message to child.ts and its answer. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Page } from './peer.js'
import type { Outcome, Renderer } from './renderer.js'

export interface Order {
  readonly call: 'begin' | 'end' | 'visit' | 'close'
  readonly page?: Page
  readonly text?: string
}

export class ForkedRenderer implements Renderer {
  readonly #child: ChildProcess

  constructor(peer: string, form: string, directory: string) {
    // The loader that runs this program (tsx) is handed on with the arguments of this process.
    this.#child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [peer, form, directory])
  }

  async begin(page: Page, text: string): Promise<void> {
    await this.#ask({ call: 'begin', page, text })
  }

  end(): Promise<Outcome> {
    return this.#ask({ call: 'end' })
  }

  visit(page: Page, text: string): Promise<Outcome> {
    return this.#ask({ call: 'visit', page, text })
  }

  /** Ends the child, whatever it is doing. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async #ask(order: Order): Promise<Outcome> {
    const answered = new AbortController()
    const { signal } = answered
    const died = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error('the renderer process has ended')
    })
    died.catch(() => undefined)
    try {
      const answer = once(this.#child, 'message', { signal })
      this.#child.send(order)
      const [text] = await Promise.race([answer, died])
      return String(text)
    } finally {
      answered.abort()
    }
  }
}
