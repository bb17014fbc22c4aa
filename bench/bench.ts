/**
 * What the cache costs, as ratios to the plainest calls that do the same, measured in one run:
 * `npm run bench -- [--quick] [--json] [--write docs] [--directory DIR]`.
 *
 * Medians of rounds in which all take their turn; see rounds.ts. `--json` ends with one line, the ratios by name;
 * `--quick` leaves out what does not go into that line, and ends within 50 seconds. `--write` makes benchmarks.md
 * and its charts in that directory.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { measureGrowth } from './growth.js'
import { type Group, InProcess, kinds } from './in-process.js'
import { type Results, type Summary, sheetOf, writeReport } from './report.js'
import { type Measured, measure } from './rounds.js'
import { measureServing } from './serving.js'
import { measureStampede, type Stampede } from './stampede.js'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    directory: { type: 'string', default: tmpdir() },
    write: { type: 'string' },
    pages: { type: 'string' },
  },
})
const { quick: isQuick, directory } = values
const began = performance.now()
const timing = isQuick ? { rounds: 15, roundMs: 12, budgetMs: 1800 } : { rounds: 60, roundMs: 50, budgetMs: 20_000 }

async function inProcess(): Promise<Record<string, readonly Measured[]>> {
  const bench = new InProcess(directory)
  const groups: Record<string, readonly Measured[]> = {}
  const add = async (group: Group) => {
    const { title, works, inFlight = 1 } = group
    groups[title] = await measure(works, { ...timing, inFlight })
    say(sheetOf(title, groups[title]))
  }
  try {
    for (const inFlight of isQuick ? [1] : [1, 16]) {
      for (const bytes of [2048, 102_400]) {
        for (const kind of kinds) await add(await bench.hits(kind, bytes, inFlight, !isQuick && inFlight === 1))
      }
    }
    await add(await bench.memoryHits(2048, !isQuick))
    await add(bench.fills(102_400))
    if (isQuick) return groups
    await add(await bench.memoryHits(102_400, true))
    await add(bench.fills(2048))
    await add(await bench.evictions())
    return groups
  } finally {
    await bench.close()
  }
}

async function everything(): Promise<Results> {
  const groups = await inProcess()
  const serving = await measureServing({
    directory,
    rounds: isQuick ? 3 : 7,
    roundSeconds: isQuick ? 1 : 2,
    isFull: !isQuick,
  })
  say(typeof serving === 'string' ? `\nhttp: ${serving}` : sheetOf('http, 10 KB', serving))
  const stampedes: Stampede[] = []
  for (const processes of isQuick ? [] : [1, 4]) stampedes.push(await measureStampede(directory, processes, 20))
  for (const { processes, renders, tookMs } of stampedes) {
    say(`stampede in ${processes} processes: ${renders} renders, all answered after ${tookMs} ms`)
  }
  const size = isQuick ? await growthWithin(43_000 - (performance.now() - began)) : { pages: 100_000, rounds: 12 }
  const growthPages = Number(values.pages ?? size.pages)
  const growth = await measureGrowth({ pages: growthPages, against: 1000, rounds: size.rounds, directory })
  for (const [work, { ratio, quartiles }] of Object.entries(growth)) {
    say(`${work}, ${growthPages} pages against 1000: ${ratio} x the time (${quartiles.join(' to ')})`)
  }
  return { groups, serving, stampedes, growth, growthPages }
}

/** What can be measured of growth in that time: on a busy machine a fill takes many times as long as on a quiet one. */
async function growthWithin(forMs: number): Promise<{ pages: number; rounds: number }> {
  const bench = new InProcess(directory)
  try {
    const [, fill] = await measure(bench.fills(2048).works, { rounds: 3, roundMs: 50 })
    // Two thirds for fills, the rest for all else. The small site has 1000, and a round 400.
    const fills = ((fill?.perSecond ?? 0) * forMs * 0.65) / 1000
    const rounds = Math.round(Math.min(6, Math.max(2, fills / 2000)))
    return { pages: Math.round(Math.min(20_000, Math.max(2000, fills - 1000 - 400 * (rounds + 1)))), rounds }
  } finally {
    await bench.close()
  }
}

/** Of two texts the smaller ratio counts. */
function ratios({ groups, serving, growth, growthPages }: Results): Summary {
  const of = (title: string, name: string) => groups[title]?.find((work) => work.name === name)?.ratio ?? null
  const hit = (size: string, name: string) =>
    Math.min(...kinds.map((kind) => of(`hit, ${size}, ${kind}, 1 in flight`, name) ?? Number.POSITIVE_INFINITY))
  const served = (name: string, floor: string) => {
    if (typeof serving === 'string') return null
    const [ours, theirs] = [name, floor].map((wanted) => serving.find((work) => work.name === wanted)?.ratio ?? 0)
    return Number(((ours ?? 0) / (theirs ?? 1)).toPrecision(3))
  }
  return {
    hotHit100k: hit('100 KB', 'hot'),
    hotHit2k: hit('2 KB', 'hot'),
    coldHit2k: hit('2 KB', 'cold'),
    coldHit100k: hit('100 KB', 'cold'),
    memoryHit2k: of('memory store hit, 2 KB', 'memory store'),
    fill100k: of('fill, 100 KB', 'fill'),
    httpNode: served('node, pagekeep/http', 'nginx, cache tree'),
    httpNginx: served('nginx, cache tree', 'nginx, plain tree'),
    growthHit: growth.hit?.ratio ?? null,
    growthFill: growth.fill?.ratio ?? null,
    growthEvict: growth.evict?.ratio ?? null,
    growthPages,
    ...(typeof serving === 'string' && { httpMissing: serving }),
    seconds: Math.round((performance.now() - began) / 1000),
  }
}

/** With --json all but the last line goes to the error stream. */
function say(text: string): void {
  if (values.json) process.stderr.write(`${text}\n`)
  else console.log(text)
}

const results = await everything()
const summary = ratios(results)
if (values.write !== undefined) writeReport(values.write, results, summary)
console.log(values.json ? JSON.stringify(summary) : summary)
