/**
 * Who renders while the page is invalidated: this process, or a forked child (forked-renderer.ts) in which the
 * same class does the same.
 */
import type { Page, Peer } from './peer.js'
import { type Gate, gate } from './signals.js'

/** What a call came to: the text that it got, or why it got none. */
export type Outcome = string

export interface Renderer {
  /** Starts a call whose render reads `text`; resolves when it has read. */
  begin(page: Page, text: string): Promise<void>
  /** Lets that render end; what its caller got. */
  end(): Promise<Outcome>
  /** What a visitor gets, whose render would read `text`. */
  visit(page: Page, text: string): Promise<Outcome>
  close(): Promise<void>
}

export class LocalRenderer implements Renderer {
  readonly #peer: Peer
  #mayEnd: Gate = gate()
  #caller: Promise<Outcome> = Promise.resolve('')

  constructor(peer: Peer) {
    this.#peer = peer
  }

  async begin(page: Page, text: string): Promise<void> {
    const hasRead = gate()
    const mayEnd = gate()
    this.#mayEnd = mayEnd
    this.#caller = outcome(
      this.#peer.getOrRender(page, async () => {
        hasRead.open()
        await mayEnd.opened
        return text
      }),
    )
    await hasRead.opened
  }

  async end(): Promise<Outcome> {
    this.#mayEnd.open()
    return this.#caller
  }

  async visit(page: Page, text: string): Promise<Outcome> {
    return outcome(this.#peer.getOrRender(page, async () => text))
  }

  async close(): Promise<void> {
    await this.#peer.close()
  }
}

export async function outcome(answer: Promise<unknown>): Promise<Outcome> {
  try {
    return String(await answer)
  } catch (thrown) {
    return `error: ${thrown instanceof Error ? thrown.message : String(thrown)}`
  }
}
