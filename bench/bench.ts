/**
 * What the cache costs, as ratios to plain file calls in the same run: `npm run bench -- [--quick] [--json]`.
 *
 * Medians of rounds; see rounds.ts. The last line of `--json` is one object.
 */
import { promises as fs, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { type Measured, measure, type Work } from './rounds.js'

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean' }, json: { type: 'boolean' }, directory: { type: 'string' } },
})
const rounds = options.quick ? 5 : 15
const roundMs = options.quick ? 60 : 250

const home = mkdtempSync(path.join(options.directory ?? tmpdir(), 'pagekeep-bench-'))
const page = (bytes: number) => '<p>Ein Wort, ein Satz</p>\n'.repeat(Math.ceil(bytes / 26)).slice(0, bytes)
const disk = createCache({ store: new DiskStore({ directory: path.join(home, 'pages') }) })
const memory = createCache({ store: new MemoryStore() })
const never = () => {
  throw new Error('the page should have been kept')
}
let turn = 0

async function groups(): Promise<Record<string, readonly Work[]>> {
  const hits: Record<string, readonly Work[]> = {}
  for (const [size, bytes] of [
    ['2 KB', 2048],
    ['100 KB', 102_400],
  ] as const) {
    const key = `hit/${bytes}.html`
    const file = path.join(home, 'pages', key)
    await disk.getOrRender(key, () => page(bytes))
    hits[`disk hit, ${size}`] = [
      { name: 'fs.promises.readFile utf8', run: () => fs.readFile(file, 'utf8') },
      { name: 'getOrRender', run: () => disk.getOrRender(key, never) },
    ]
    hits[`fill, ${size}`] = [
      {
        name: 'open, write, rename (promises)',
        async run() {
          const target = path.join(home, `plain-${turn++ % 64}`)
          await fs.writeFile(`${target}.tmp`, page(bytes))
          await fs.rename(`${target}.tmp`, target)
        },
      },
      {
        name: 'getOrRender of an expired page',
        run: () => disk.getOrRender(`fill/${turn++ % 64}.html`, () => page(bytes), { ttlMs: 0.001 }),
      },
    ]
  }
  await memory.getOrRender('page', () => page(2048))
  const map = new Map([['page', page(2048)]])
  return {
    ...hits,
    'memory hit, 2 KB': [
      { name: 'async function with Map.get', run: async () => map.get('page') },
      { name: 'getOrRender', run: () => memory.getOrRender('page', never) },
    ],
    evict: [
      {
        name: 'fs.promises.unlink of a missing file',
        run: () => fs.unlink(path.join(home, 'none')).catch(() => undefined),
      },
      { name: 'evict a key', run: () => disk.evict('none/at/all.html') },
      { name: 'evict a tag', run: () => disk.evict({ tag: 'none' }) },
    ],
  }
}

const results: Record<string, readonly Measured[]> = {}
try {
  for (const [title, works] of Object.entries(await groups())) {
    results[title] = await measure(works, rounds, roundMs)
    if (options.json) continue
    console.log(`\n${title}`)
    for (const { name, perSecond, ratio, quartiles } of results[title] ?? []) {
      console.log(
        `  ${name.padEnd(38)} ${String(perSecond).padStart(9)}/s   ${String(ratio).padStart(6)} x   (${quartiles.join(' to ')})`,
      )
    }
  }
  if (options.json) console.log(JSON.stringify(results))
} finally {
  await disk.close()
  await memory.close()
  rmSync(home, { recursive: true, force: true })
}
