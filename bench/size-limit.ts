/**
 * What the size limit costs, and how near it ends: `npx tsx bench/size-limit.ts --pages 1000000`. Run by hand.
 *
 * Pages of 1 KB are kept once each: without a limit (`--run free`), then with one of a tenth of them (`limited`), then by
 * two processes of which one is killed half-way (`killed`); default: all three. A tenth of the calls reads a page of the
 * last thousand, so that the sweeps have something to spare. On a busy machine only the time of the CPU says something.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DiskStore } from 'pagekeep/stores/disk'

const { values: options } = parseArgs({
  options: {
    pages: { type: 'string', default: '100000' },
    limit: { type: 'string' },
    directory: { type: 'string' },
    run: { type: 'string', multiple: true, default: ['free', 'limited', 'killed'] },
    /** Set in the processes of `killed`: fills the directory named here. */
    fill: { type: 'string' },
  },
})
const pages = Number(options.pages)
const limit = Number(options.limit ?? pages / 10)
const body = 'x'.repeat(1024)

interface Filled {
  readonly us: number
  readonly cpuUs: number
  readonly longestMs: number
  readonly closedMs: number
}

/** Keeps all pages, whose names begin with `prefix`. */
async function fill(home: string, limits: { maxFiles?: number }, prefix = '', half = () => {}): Promise<Filled> {
  const keyOf = (page: number) => `${page % 997}/${prefix}${page}.html`
  const store = new DiskStore({ directory: home, onFault: (error) => console.error(error.message), ...limits })
  let longestMs = 0
  const began = performance.now()
  const cpuBefore = process.cpuUsage()
  for (let page = 0; page < pages; page++) {
    const fill = store.begin(keyOf(page))
    if (fill instanceof Promise || fill.kind !== 'fill') throw new Error('nobody else is here')
    await fill.publish({ body, tags: [], renderBeganAtMs: Date.now() })
    if (page % 10 === 0) store.get(keyOf(Math.max(0, page - (page % 1000))))
    if (page === pages / 2) half()
    if (page % 16 !== 0) continue
    const before = performance.now()
    await setImmediate()
    longestMs = Math.max(longestMs, performance.now() - before)
  }
  const filledMs = performance.now() - began
  const { user, system } = process.cpuUsage(cpuBefore)
  await store.close()
  const closedMs = performance.now() - began - filledMs
  return { us: (filledMs / pages) * 1000, cpuUs: (user + system) / pages, longestMs, closedMs }
}

function pagesLeft(home: string, isLimited = true): string {
  const kept = readdirSync(home, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.'))
    .reduce((sum, { name }) => sum + readdirSync(path.join(home, name)).length, 0)
  return `${kept} pages left${isLimited ? ` (${((100 * kept) / limit).toFixed(1)} % of the limit)` : ''}`
}

async function measure(limits: { maxFiles?: number }, home: string): Promise<string> {
  const { us, cpuUs, longestMs, closedMs } = await fill(home, limits)
  return (
    `${us.toFixed(1)} µs a fill (${cpuUs.toFixed(1)} of CPU), ${closedMs.toFixed(0)} ms to close, ` +
    `longest slice ${longestMs.toFixed(0)} ms, ${pagesLeft(home, limits.maxFiles !== undefined)}`
  )
}

/** A process that fills the directory, too. */
function filler(home: string, prefix: string): ChildProcess {
  const args = ['--pages', String(pages), '--limit', String(limit), '--fill', home, '--directory', prefix]
  return fork(fileURLToPath(import.meta.url), args, { execArgv: process.execArgv })
}

async function killOne(home: string): Promise<string> {
  const [survivor, victim] = [filler(home, 'survivor-'), filler(home, 'victim-')]
  await once(victim, 'message')
  victim.kill('SIGKILL')
  await Promise.all([once(survivor, 'exit'), once(victim, 'exit')])
  const atOnce = pagesLeft(home)
  // Who comes next closes what the victim left open.
  const next = new DiskStore({ directory: home, maxFiles: limit })
  await next.get('any')
  await next.close()
  return `${atOnce}; after the next process has been there, ${pagesLeft(home)}`
}

const runs: Readonly<Record<string, (home: string) => Promise<string>>> = {
  free: (home) => measure({}, home),
  limited: (home) => measure({ maxFiles: limit }, home),
  killed: killOne,
}

if (options.fill !== undefined) {
  await fill(options.fill, { maxFiles: limit }, options.directory, () => process.send?.('half'))
  process.disconnect?.()
} else {
  console.log(`${pages} pages, limit ${limit}`)
  for (const name of options.run) {
    const home = mkdtempSync(path.join(options.directory ?? tmpdir(), 'pagekeep-size-'))
    try {
      console.log(`${name.padEnd(8)} ${await runs[name]?.(home)}`)
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }
}
