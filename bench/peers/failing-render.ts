/** Twenty callers of one page whose render fails: how often is it rendered, and what do they get? */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Form } from './peer.js'
import { type Outcome, outcome } from './renderer.js'
import { gate, patienceMs, wait, within } from './signals.js'

export interface FailingResult {
  readonly renders: number
  /** What the callers got, each once. */
  readonly outcomes: readonly Outcome[]
}

const callers = 20

export async function askFailing(form: Form): Promise<FailingResult> {
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-peers-'))
  const peer = await form.open(directory)
  const mayFail = gate()
  let renders = 0
  const render = async (): Promise<string> => {
    renders++
    await mayFail.opened
    throw new Error('the render failed')
  }
  try {
    const page = { key: 'failing', tags: [] }
    const calls = Array.from({ length: callers }, () => outcome(peer.getOrRender(page, render)))
    // Each caller must have looked and be waiting: nothing tells us so from outside.
    await wait(patienceMs)
    mayFail.open()
    const outcomes = await within(20_000, Promise.all(calls))
    return { renders, outcomes: [...new Set(outcomes)] }
  } finally {
    await peer.close()
    await rm(directory, { recursive: true, force: true })
  }
}
