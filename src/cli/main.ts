#!/usr/bin/env node
/** The program `pagekeep`: runs a command, and ends with its exit code (exit-codes.ts). */
import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { isPagekeepError, reasonOf } from '../core/errors.js'
import { exitCodes } from './exit-codes.js'
import { makeProgram } from './program.js'
import { UsageError } from './usage-error.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

// `pagekeep ls | head`: the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
})

const interrupt = new AbortController()
const heedInterrupt = () => {
  process.on('SIGINT', () => {
    // At the second at once.
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted)
    interrupt.abort()
  })
}

const ended = (exitCode: number) => {
  process.exitCode = interrupt.signal.aborted ? exitCodes.interrupted : exitCode
}

makeProgram({ version, signal: interrupt.signal, heedInterrupt, ended })
  .parseAsync()
  .catch((thrown: unknown) => {
    if (thrown instanceof CommanderError) {
      // It has said what is wrong; help and version are no errors.
      process.exitCode = thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage
      return
    }
    if (interrupt.signal.aborted) {
      process.exitCode = exitCodes.interrupted
      return
    }
    const code = isPagekeepError(thrown) ? ` (${thrown.code})` : ''
    const hint = /Cannot find package 'pg'/.test(reasonOf(thrown)) ? ' Run: npm install pg' : ''
    process.stderr.write(`pagekeep: ${reasonOf(thrown)}${code}${hint}\n`)
    if (process.env.PAGEKEEP_LOG_LEVEL === 'debug' && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`)
    process.exitCode = exitCodeOf(thrown)
  })

const wrongUse = ['key-invalid', 'selector-invalid', 'tag-invalid', 'route-invalid']

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof UsageError || thrown instanceof TypeError || thrown instanceof RangeError)
    return exitCodes.usage
  if (!isPagekeepError(thrown)) return exitCodes.findings
  if (wrongUse.includes(thrown.code)) return exitCodes.usage
  return /^(database-|store-)/.test(thrown.code) ? exitCodes.unavailable : exitCodes.findings
}
