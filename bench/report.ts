/** What was measured: as text for a terminal, and as benchmarks.md with its charts. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import path from 'node:path'
import { chartOf } from './chart.js'
import { perSecond as askedPerSecond, type EventLoop } from './event-loop.js'
import type { Growth } from './growth.js'
import type { Measured } from './rounds.js'
import type { Serving } from './serving.js'
import { callers, renderMs, type Stampede } from './stampede.js'

export interface Results {
  readonly groups: Readonly<Record<string, readonly Measured[]>>
  /** Or why it was not measured. */
  readonly serving: Serving | string
  /** `undefined` when it was not measured. */
  readonly eventLoop: EventLoop | undefined
  readonly stampedes: readonly Stampede[]
  readonly growth: Readonly<Record<string, Growth>>
  readonly growthPages: number
  /** What could not be measured, and why. */
  readonly failures: readonly string[]
}

export type Summary = Readonly<Record<string, number | string | null>>

const ours = /^(hot|cold|memory store|fill|evict|nginx, (cache|recipe)|node, pagekeep)/

export const httpTitles: Readonly<Record<keyof Serving, string>> = {
  node: 'HTTP, 10 KB, one after another',
  nginx: 'HTTP, 10 KB, nginx, all at once on one processor',
}

export function sheetOf(title: string, measured: readonly Measured[]): string {
  const lines = measured.map(({ name, perSecond, ratio, quartiles, cpuUs }) => {
    const speed = `${String(perSecond).padStart(10)}/s`
    const cpu = cpuUs === undefined ? '' : `   ${cpuUs} µs of CPU`
    return `  ${name.padEnd(34)} ${speed}   ${String(ratio).padStart(6)} x   (${quartiles.join(' to ')})${cpu}`
  })
  return ['', title, ...lines].join('\n')
}

/** Writes `benchmarks.md` and `benchmarks/*.svg` in `docs`. */
export function writeReport(docs: string, results: Results, summary: Summary): void {
  // Charts of what is no longer measured would stay.
  rmSync(path.join(docs, 'benchmarks'), { recursive: true, force: true })
  mkdirSync(path.join(docs, 'benchmarks'), { recursive: true })
  const { groups, serving } = results
  const http = typeof serving === 'string' ? {} : { [httpTitles.node]: serving.node, [httpTitles.nginx]: serving.nginx }
  const all = Object.entries({ ...groups, ...http })
  const sections = all.map(([title, measured]) => {
    const name = `${title.toLowerCase().replace(/\W+/g, '-')}.svg`
    writeFileSync(
      path.join(docs, 'benchmarks', name),
      chartOf(title, measured, (work) => ours.test(work)),
    )
    return [`### ${title}`, '', `![${title}](benchmarks/${name})`, '', ...tableOf(measured), ''].join('\n')
  })
  writeFileSync(
    path.join(docs, 'benchmarks.md'),
    [...headOf(summary, results.failures), ...sections, ...tailOf(results)].join('\n'),
  )
}

function headOf(summary: Summary, failures: readonly string[]): string[] {
  const rows = Object.entries(summary).map(([name, value]) => `| \`${name}\` | ${value ?? 'not measured'} |`)
  return [
    '# Benchmarks',
    '',
    'Made by `npm run bench -- --write docs`, all of it in one run. Each number is a ratio: how many times as much',
    'was done in the time as by the first line of its group, the plainest calls that do that work. In every round all',
    'of a group take their turn for a moment, so what slows the machine slows all of them; the median of the rounds',
    'counts, the quartiles say how much it can be relied upon. What the cache directory costs nginx is too little for',
    'turns: there all are asked at once, share a processor, and a second is one of its time. Growth is the other way',
    'round: how many times as long it takes. The package is measured as its users get it: built.',
    '',
    `Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')} over 1, 5 and 15 minutes at the end of the run. Where the load is over the number of cores, other`,
    'programs were at work: calls on threads of the pool then get more of the processor than synchronous ones,',
    'and ratios to them come out too small. The microseconds of CPU, in which all threads of the process count (for HTTP',
    "the server's processes), suffer less.",
    '',
    'Hot is a page in the memory of the process, checked by one `lstat`; cold one that is read from its file',
    '(decision 0016). Long text that is not ASCII comes in parts; where it says that it was looked into, V8 had to make one',
    'of them. Other caches are used as their own documentation says, through `bench/peers/adapters`.',
    '',
    ...failures.map((failure) => `**Not measured:** ${failure}.\n`),
    '| of `--json` | |',
    '|---|---|',
    ...rows,
    '',
  ]
}

function tailOf({ serving, eventLoop, stampedes, growth, growthPages }: Results): string[] {
  const growths = Object.entries(growth).map(
    ([work, { ratio, quartiles, smallUs, largeUs }]) =>
      `| ${work} | ${smallUs} µs | ${largeUs} µs | ${ratio} (${quartiles.join(' to ')}) |`,
  )
  return [
    ...(typeof serving === 'string' ? [`HTTP was not measured: ${serving}.`, ''] : []),
    ...(eventLoop === undefined ? [] : loopOf(eventLoop)),
    '### Stampede',
    '',
    `${callers} callers in each process ask at once for a page that is not there and takes ${renderMs} ms to render.`,
    '',
    '| processes | renders | all answered after |',
    '|---|---|---|',
    ...stampedes.map(({ processes, renders, tookMs }) => `| ${processes} | ${renders} | ${tookMs} ms |`),
    '',
    `### Growth: ${growthPages} pages against 1000`,
    '',
    '`npx tsx bench/growth.ts --pages 1000000` for a million.',
    '',
    '| | of 1000 | of many | ratio of the times |',
    '|---|---|---|---|',
    ...growths,
    '',
  ]
}

function loopOf({ bare, cached, laterMs, quartiles, busierMs, rounds }: EventLoop): string[] {
  const row = (name: string, { medianMs, p99Ms, maxMs, busyP99Ms }: EventLoop['bare']) =>
    `| ${name} | ${medianMs} | ${p99Ms} | ${maxMs} | ${busyP99Ms} |`
  return [
    '### Event loop',
    '',
    `How late the event loop of a site comes round (\`monitorEventLoopDelay\`, with the timer's own millisecond) while it is`,
    `asked ${askedPerSecond} times a second for 400 pages: 10 KB, one in twenty 200 KB, of which few fit into memory. With the cache`,
    'one in fifty requests evicts its page, one in five hundred a tag of some twenty pages; without it every request is',
    'rendered, in 5 ms of waiting. Own work is what the thread itself took between two timers: what other programs and the',
    'compression on other threads take from it does not count in it. Milliseconds, medians of the rounds.',
    '',
    '| | 50th hundredth | 99th | latest | own work, 99th |',
    '|---|---|---|---|---|',
    row('without the cache', bare),
    row('with it', cached),
    '',
    `The 99th hundredth is **${laterMs} ms** later with the cache (quartiles of ${rounds} rounds: ${quartiles.join(' to ')}), the own work`,
    `**${busierMs} ms** more. Pages of up to 256 KiB are read at once; larger ones, and all of them with \`io: 'async'\`, on a`,
    'thread. Where the disk itself is slow, what is read at once holds the loop up for as long as the disk takes.',
    '',
  ]
}

function tableOf(measured: readonly Measured[]): string[] {
  return [
    '| | a second | ratio | quartiles | CPU, µs |',
    '|---|---|---|---|---|',
    ...measured.map(
      ({ name, perSecond, ratio, quartiles, cpuUs }) =>
        `| ${name} | ${perSecond} | **${ratio}** | ${quartiles.join(' to ')} | ${cpuUs ?? ''} |`,
    ),
  ]
}
