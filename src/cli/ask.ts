/** Questions to the person at the terminal. Where there is none, what is dangerous needs `--yes`. */
import { createInterface } from 'node:readline/promises'
import type { Terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

/** Whether to go on. Throws `UsageError` where nobody can be asked. */
export async function confirm(terminal: Terminal, question: string, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (!terminal.isInteractive)
    throw new UsageError(`${question} Nobody can be asked here: pass --yes, or look with --dry-run.`)
  return /^y(es)?$/i.test(await ask(`${question} [y/N]`, ''))
}

/** The answer, or `fallback` for an empty one. */
export async function ask(question: string, fallback: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await reader.question(`${question}${fallback === '' ? ' ' : ` [${fallback}] `}`)
    return answer.trim() || fallback
  } finally {
    reader.close()
  }
}
