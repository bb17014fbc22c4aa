/**
 * What the cache costs, as ratios to the plainest calls that do the same, measured in one run:
 * `npm run bench -- [--quick] [--json] [--write docs] [--directory DIR]`.
 *
 * The package is built first (tsup.config.ts). Medians of rounds in which all take their turn; see rounds.ts.
 * `--json` ends with one line, the ratios by name; `--quick` leaves out what does not go into that line, and ends
 * within 50 seconds; all of it within ten minutes, on a busy machine with fewer rounds and pages. `--write` makes
 * benchmarks.md and its charts in that directory. What cannot be measured is named with its reason, stops nothing else,
 * and the exit code is 1; HTTP needs nginx and wrk, and is left out where they are not installed, unless
 * PAGEKEEP_REQUIRE_SERVERS is 1, as in CI.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { type EventLoop, measureEventLoop } from './event-loop.js'
import { measureGrowth } from './growth.js'
import { type Group, InProcess, kinds } from './in-process.js'
import { httpTitles, type Results, type Summary, sheetOf, writeReport } from './report.js'
import { type Measured, measure, rounded } from './rounds.js'
import { measureServing, type Serving } from './serving.js'
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
const timing = isQuick ? { rounds: 15, roundMs: 12, budgetMs: 1500 } : { rounds: 60, roundMs: 50, budgetMs: 14_000 }
/** Growth, which comes last, is measured in what is left of this. */
const endsAfterMs = isQuick ? 41_000 : 560_000
const failures: string[] = []

async function inProcess(): Promise<Record<string, readonly Measured[]>> {
  const bench = new InProcess(directory)
  const groups: Record<string, readonly Measured[]> = {}
  const add = async (name: string, prepare: () => Group | Promise<Group>) => {
    await part(name, async () => {
      const { title, works, inFlight = 1 } = await prepare()
      groups[title] = await measure(works, { ...timing, inFlight })
      say(sheetOf(title, groups[title]))
    })
  }
  try {
    for (const inFlight of isQuick ? [1] : [1, 16]) {
      for (const bytes of [2048, 102_400]) {
        for (const kind of kinds) await add('hits', () => bench.hits(kind, bytes, inFlight, !isQuick && inFlight === 1))
      }
    }
    await add('hits in memory', () => bench.memoryHits(2048, !isQuick))
    await add('fills', () => bench.fills(102_400))
    if (isQuick) return groups
    await add('hits in memory', () => bench.memoryHits(102_400, true))
    await add('fills', () => bench.fills(2048))
    await add('evictions', () => bench.evictions())
    return groups
  } finally {
    await bench.close()
  }
}

/** What it brings, or `undefined` when it could not be measured: all else is measured all the same. */
async function part<T>(name: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    failures.push(`${name}: ${reason}`)
    process.stderr.write(`${name} could not be measured: ${thrown instanceof Error ? thrown.stack : reason}\n`)
    return undefined
  }
}

async function everything(): Promise<Results> {
  const groups = await inProcess()
  const serving =
    (await part('HTTP', () =>
      measureServing({
        directory,
        rounds: isQuick ? 3 : 7,
        roundSeconds: isQuick ? 1 : 2,
        longestWarmUp: isQuick ? 5 : 12,
        atOnce: isQuick ? { rounds: 3, roundSeconds: 2 } : { rounds: 6, roundSeconds: 6 },
        isFull: !isQuick,
      }),
    )) ?? 'it failed'
  if (typeof serving === 'string') {
    say(`\nhttp: ${serving}`)
    if (process.env.PAGEKEEP_REQUIRE_SERVERS === '1') failures.push(`HTTP: ${serving}`)
  } else for (const what of ['node', 'nginx'] as const) say(sheetOf(httpTitles[what], serving[what]))
  const eventLoop = await part('the event loop', () =>
    measureEventLoop({ directory, rounds: isQuick ? 5 : 9, roundMs: isQuick ? 700 : 3000 }),
  )
  if (eventLoop !== undefined) say(loopText(eventLoop))
  const stampedes: Stampede[] = []
  for (const processes of isQuick ? [] : [1, 4]) {
    const stampede = await part('stampede', () => measureStampede(directory, processes, 20))
    if (stampede === undefined) continue
    stampedes.push(stampede)
    say(`stampede in ${processes} processes: ${stampede.renders} renders, all answered after ${stampede.tookMs} ms`)
  }
  const size = await growthWithin(endsAfterMs - (performance.now() - began), isQuick ? 20_000 : 100_000)
  const growthPages = Number(values.pages ?? size.pages)
  const growth: Results['growth'] =
    (await part('growth', () =>
      measureGrowth({
        pages: growthPages,
        against: 1000,
        rounds: size.rounds,
        directory,
        endsAtMs: began + endsAfterMs,
      }),
    )) ?? {}
  for (const [work, { ratio, quartiles }] of Object.entries(growth)) {
    say(`${work}, ${growthPages} pages against 1000: ${ratio} x the time (${quartiles.join(' to ')})`)
  }
  return { groups, serving, eventLoop, stampedes, growth, growthPages, failures }
}

function loopText({ bare, cached, laterMs, quartiles, busierMs }: EventLoop): string {
  return [
    '\nevent loop, 99th hundredth of its delay',
    `  without the cache ${bare.p99Ms} ms, with it ${cached.p99Ms} ms: ${laterMs} ms later (${quartiles.join(' to ')})`,
    `  of that its own work: ${bare.busyP99Ms} ms and ${cached.busyP99Ms} ms, ${busierMs} ms more`,
  ].join('\n')
}

/** What can be measured of growth in that time: on a busy machine a fill takes many times as long as on a quiet one. */
async function growthWithin(forMs: number, mostPages: number): Promise<{ pages: number; rounds: number }> {
  const bench = new InProcess(directory)
  try {
    const [, fill] = await measure(bench.fills(2048).works, { rounds: 3, roundMs: 50 })
    // Three fifths for fills, the rest for all else. The small site has 1000, and a round 400.
    const fills = ((fill?.perSecond ?? 0) * forMs * 0.6) / 1000
    const rounds = Math.round(Math.min(isQuick ? 7 : 12, Math.max(5, fills / 2000)))
    return { pages: Math.round(Math.min(mostPages, Math.max(2000, fills - 1000 - 400 * (rounds + 1)))), rounds }
  } finally {
    await bench.close()
  }
}

/** Of two texts the smaller ratio counts. */
function ratios({ groups, serving, eventLoop, growth, growthPages }: Results): Summary {
  const of = (title: string, name: string) => groups[title]?.find((work) => work.name === name)?.ratio ?? null
  const hit = (size: string, name: string) => {
    const found = kinds.map((kind) => of(`hit, ${size}, ${kind}, 1 in flight`, name))
    return found.some((ratio) => ratio === null) ? null : Math.min(...found.map(Number))
  }
  const served = (group: keyof Serving, name: string) =>
    typeof serving === 'string' ? undefined : serving[group].find((work) => work.name === name)
  const node = served('node', 'node, pagekeep/http')
  const byCpu = (served('node', 'nginx, cache directory')?.cpuUs ?? 0) / (node?.cpuUs ?? 0)
  return {
    hotHit100k: hit('100 KB', 'hot'),
    hotHit2k: hit('2 KB', 'hot'),
    coldHit2k: hit('2 KB', 'cold'),
    coldHit100k: hit('100 KB', 'cold'),
    memoryHit2k: of('memory store hit, 2 KB', 'memory store'),
    fill100k: of('fill, 100 KB', 'fill'),
    httpNode: node?.ratio ?? null,
    httpNodeCpu: Number.isFinite(byCpu) ? rounded(byCpu) : null,
    httpNginx: served('nginx', 'nginx, cache directory')?.ratio ?? null,
    httpNginxRecipe: served('nginx', 'nginx, recipe')?.ratio ?? null,
    eventLoopLaterMs: eventLoop?.laterMs ?? null,
    eventLoopBusierMs: eventLoop?.busierMs ?? null,
    growthHit: growth.hit?.ratio ?? null,
    growthFill: growth.fill?.ratio ?? null,
    growthEvict: growth.evict?.ratio ?? null,
    growthPages,
    ...(typeof serving === 'string' && { httpMissing: serving }),
    ...(failures.length > 0 && { failures: failures.join('; ') }),
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
if (failures.length > 0) process.exitCode = 1
