/**
 * What the size limit costs, and how near it ends: `npx tsx bench/size-limit.ts --pages 1000000`. Run by hand.
 *
 * Pages of 1 KB are kept once each: without a limit, then with one of a tenth of them. A tenth of the calls
 * reads a page of the last thousand, so that the sweeps have something to spare. On a busy machine only the
 * time of the CPU says something.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { DiskStore } from 'pagekeep/stores/disk'

const { values: options } = parseArgs({
  options: { pages: { type: 'string', default: '100000' }, limit: { type: 'string' }, directory: { type: 'string' } },
})
const pages = Number(options.pages)
const limit = Number(options.limit ?? pages / 10)
const body = 'x'.repeat(1024)
const keyOf = (page: number) => `${page % 997}/${page}.html`

async function run(name: string, limits: { maxFiles?: number }): Promise<void> {
  const home = mkdtempSync(path.join(options.directory ?? tmpdir(), 'pagekeep-size-'))
  const store = new DiskStore({ directory: home, onFault: (error) => console.error(error.message), ...limits })
  let longestMs = 0
  try {
    const began = performance.now()
    const cpuBefore = process.cpuUsage()
    for (let page = 0; page < pages; page++) {
      const fill = store.begin(keyOf(page))
      if (fill instanceof Promise || fill.kind !== 'fill') throw new Error('nobody else is here')
      await fill.publish({ body, tags: [], renderBeganAtMs: Date.now() })
      if (page % 10 === 0) store.get(keyOf(Math.max(0, page - (page % 1000))))
      if (page % 16 !== 0) continue
      const before = performance.now()
      await setImmediate()
      longestMs = Math.max(longestMs, performance.now() - before)
    }
    const filledMs = performance.now() - began
    const cpu = process.cpuUsage(cpuBefore)
    await store.close()
    const closedMs = performance.now() - began - filledMs
    const kept = readdirSync(home, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith('.'))
      .reduce((sum, { name: below }) => sum + readdirSync(path.join(home, below)).length, 0)
    const near = limits.maxFiles === undefined ? '' : ` (${((100 * kept) / limits.maxFiles).toFixed(1)} % of the limit)`
    console.log(
      `${name.padEnd(16)} ${((filledMs / pages) * 1000).toFixed(1)} µs a fill (${((cpu.user + cpu.system) / pages).toFixed(1)} of CPU), ${closedMs.toFixed(0)} ms to close, ` +
        `longest slice ${longestMs.toFixed(0)} ms, ${kept} pages left${near}`,
    )
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

console.log(`${pages} pages, limit ${limit}`)
await run('no limit', {})
await run('maxFiles', { maxFiles: limit })
