/** Two hundred callers a process ask for one page that is not there: how many renders, and how long until all are answered. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { quantile, rounded } from './rounds.js'
import type { StampedeOrder, StampedeResult } from './stampede-process.js'

const program = fileURLToPath(new URL('stampede-process.ts', import.meta.url))
export const callers = 200
export const renderMs = 5

export interface Stampede {
  readonly processes: number
  /** The most in one round: 1 is what is wanted. */
  readonly renders: number
  /** Until the last caller was answered: medians. */
  readonly tookMs: number
}

export async function measureStampede(directory: string, processes: number, rounds: number): Promise<Stampede> {
  const home = mkdtempSync(path.join(directory, 'pagekeep-stampede-'))
  const children = Array.from({ length: processes }, () => fork(program, [home], { execArgv: ['--import', 'tsx'] }))
  try {
    await Promise.all(children.map((child) => once(child, 'message')))
    const results: { readonly renders: number; readonly tookMs: number }[] = []
    for (let round = 0; round < rounds; round++) {
      const answers = await Promise.all(
        children.map((child) => ask(child, { key: `${round}.html`, callers, renderMs })),
      )
      results.push({
        renders: answers.reduce((sum, { renders }) => sum + renders, 0),
        tookMs: Math.max(...answers.map(({ tookMs }) => tookMs)),
      })
    }
    const times = results.map(({ tookMs }) => tookMs)
    return {
      processes,
      renders: Math.max(...results.map(({ renders }) => renders)),
      tookMs: rounded(quantile(times, 0.5)),
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

async function ask(child: ChildProcess, order: StampedeOrder): Promise<StampedeResult> {
  const answer = once(child, 'message')
  child.send(order)
  const [result] = await answer
  return result as StampedeResult
}
