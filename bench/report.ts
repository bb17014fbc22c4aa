/** What was measured: as text for a terminal, and as benchmarks.md with its charts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import path from 'node:path'
import { chartOf } from './chart.js'
import type { Growth } from './growth.js'
import type { Measured } from './rounds.js'
import { callers, renderMs, type Stampede } from './stampede.js'

export interface Results {
  readonly groups: Readonly<Record<string, readonly Measured[]>>
  /** Or why it was not measured. */
  readonly serving: readonly Measured[] | string
  readonly stampedes: readonly Stampede[]
  readonly growth: Readonly<Record<string, Growth>>
  readonly growthPages: number
}

export type Summary = Readonly<Record<string, number | string | null>>

const ours = /^(hot|cold|memory store|fill|evict|nginx, cache tree|node, pagekeep)/

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
  mkdirSync(path.join(docs, 'benchmarks'), { recursive: true })
  const { groups, serving } = results
  const all = Object.entries({ ...groups, ...(typeof serving === 'string' ? {} : { 'HTTP, 10 KB': serving }) })
  const sections = all.map(([title, measured]) => {
    const name = `${title.toLowerCase().replace(/\W+/g, '-')}.svg`
    writeFileSync(
      path.join(docs, 'benchmarks', name),
      chartOf(title, measured, (work) => ours.test(work)),
    )
    return [`### ${title}`, '', `![${title}](benchmarks/${name})`, '', ...tableOf(measured), ''].join('\n')
  })
  writeFileSync(path.join(docs, 'benchmarks.md'), [...headOf(summary), ...sections, ...tailOf(results)].join('\n'))
}

function headOf(summary: Summary): string[] {
  const rows = Object.entries(summary).map(([name, value]) => `| \`${name}\` | ${value ?? 'not measured'} |`)
  return [
    '# Benchmarks',
    '',
    'Made by `npm run bench -- --write docs`, all of it in one run. Each number is a ratio: how many times as much',
    'was done in the time as by the first line of its group, the plainest calls that do that work. In every round all',
    'of a group take their turn for a moment, so what slows the machine slows all of them; the median of the rounds',
    'counts, the quartiles say how much it can be relied upon. Growth is the other way round: how many times as',
    'long it takes.',
    '',
    `Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')} over 1, 5 and 15 minutes at the end of the run. Where the load is over the number of cores, other`,
    'programs were at work: calls on threads of the pool then get more of the processor than synchronous ones,',
    'and ratios to them come out too small. The microseconds of CPU, in which all threads of the process count, suffer less.',
    '',
    'Hot is a page in the memory of the process, checked by one `lstat`; cold one that is read from its file',
    '(decision 0016). Other caches are used as their own documentation says, through `bench/peers/adapters`.',
    '',
    '| of `--json` | |',
    '|---|---|',
    ...rows,
    '',
  ]
}

function tailOf({ serving, stampedes, growth, growthPages }: Results): string[] {
  const growths = Object.entries(growth).map(
    ([work, { ratio, quartiles, smallUs, largeUs }]) =>
      `| ${work} | ${smallUs} µs | ${largeUs} µs | ${ratio} (${quartiles.join(' to ')}) |`,
  )
  return [
    ...(typeof serving === 'string' ? [`HTTP was not measured: ${serving}.`, ''] : []),
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

function tableOf(measured: readonly Measured[]): string[] {
  return [
    '| | a second | ratio | quartiles |',
    '|---|---|---|---|',
    ...measured.map(
      ({ name, perSecond, ratio, quartiles }) =>
        `| ${name} | ${perSecond} | **${ratio}** | ${quartiles.join(' to ')} |`,
    ),
  ]
}
