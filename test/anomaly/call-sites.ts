/**
 * The places in the disk store's source where it calls the system, `fill.ts:133 open`: all of them, by its text, and the
 * one that is calling now, by the stack.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Call } from './faulty-files.js'

const source = join(import.meta.dirname, '../../src/stores/disk')
const calling = new RegExp(`${source}/((?!files\\.)[\\w-]+\\.ts):(\\d+):`)

/** Every place where one of `calls` is called through the seam. */
export function callSites(calls: readonly Call[]): string[] {
  const called = new RegExp(`\\bfiles\\s*\\.\\s*(${calls.join('|')})\\(`, 'g')
  return readdirSync(source).flatMap((name) => {
    const text = readFileSync(join(source, name), 'utf8')
    return [...text.matchAll(called)].map(({ 0: all, 1: call, index }) => {
      const line = text.slice(0, index + all.lastIndexOf(call ?? '')).split('\n').length
      return `${name}:${line} ${call}`
    })
  })
}

/** The place that calls `call` now: to be asked in the seam. */
export function callSite(call: Call): string {
  const [, name, line] = calling.exec(new Error().stack ?? '') ?? []
  return `${name}:${line} ${call}`
}
