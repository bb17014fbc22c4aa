/**
 * Sums the lines that `--json` printed: `npx tsx stress/sum.ts FILE...`, one line for each store, protocol and
 * file system, and one for all. How the runs behind the table of docs/decisions/0010 are counted together.
 */
import { readFileSync } from 'node:fs'
import type { Summary } from './summary.js'

type Line = Pick<Summary, 'store' | 'protocol' | 'fileSystem'> & Record<string, unknown>

/** What is added up. Where a line lacks one, it counts as 0. */
export const summed = [
  'seconds',
  'ops',
  'hits',
  'kept',
  'doomed',
  'evictions',
  'kills',
  'staleKept',
  'staleReads',
  'tornReads',
  'leftovers',
  'audits',
  'faults',
  'crashes',
] as const

export type Sum = Record<(typeof summed)[number] | 'runs', number>

/** By `store, protocol, file system`, and `all`; lines that are no JSON (a run that was stopped) are left out. */
export function sumOf(text: string): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const line of text.split('\n').flatMap(parsed)) {
    for (const name of [`${line.store}, ${line.protocol}, ${line.fileSystem}`, 'all']) {
      const sum = sums.get(name) ?? (Object.fromEntries([...summed, 'runs'].map((key) => [key, 0])) as Sum)
      for (const key of summed) sum[key] += Number(line[key] ?? 0)
      sum.runs++
      sums.set(name, sum)
    }
  }
  return sums
}

function parsed(line: string): Line[] {
  try {
    const value = JSON.parse(line) as Line | null
    return value?.ops === undefined ? [] : [value]
  } catch {
    return []
  }
}

function main(): void {
  const text = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'))
  for (const [name, sum] of sumOf(text.join('\n'))) {
    console.log(
      `${name}: ${Object.entries(sum)
        .map(([key, value]) => `${key} ${Math.round(value).toLocaleString('en')}`)
        .join(', ')}`,
    )
  }
}

if (process.argv[1] === import.meta.filename) main()
