/**
 * What a page costs on a site of a million against one of a thousand, side by side: `npx tsx bench/growth.ts
 * [--pages 1000000] [--against 1000] [--rounds 60] [--directory DIR] [--json]`.
 *
 * In each round either site does each work, one right after the other; what counts is the ratio of their times
 * within a round, of which the median and the quartiles are told. A ratio of 1 means that size costs nothing.
 *
 * Files that nobody has read lately cost the system itself more where there are many. So other such files are looked at
 * and read without the store, in the same rounds: the last line says what the store adds to that growth.
 */
import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { GrownSite, pagesPerTag } from './grown-site.js'
import { quantile, rounded } from './rounds.js'

export interface GrowthOptions {
  readonly pages: number
  readonly against: number
  readonly rounds: number
  readonly directory: string
  /** By `performance.now()`: after that there are no more rounds than three. Default: no limit. */
  readonly endsAtMs?: number
  readonly progress?: (text: string) => void
}

export interface Growth {
  /** The time of one such work on the large site, in microseconds: the median of the rounds. */
  readonly largeUs: number
  readonly smallUs: number
  /** Large by small. */
  readonly ratio: number
  readonly quartiles: readonly [number, number]
  /** Of a hit of any page: its ratio by that of a bare read of any file in the same round, the median of the rounds. */
  readonly beyondFloor?: number
}

/** What is measured in a round, in this order: each leaves every page kept, or what the next one needs. */
const works = ['hit', 'bare read of any file', 'hit of any page', 'evict', 'fill', 'tag eviction, per page'] as const
export type GrowthWork = (typeof works)[number]

/** The pages of so many tags are asked for again and again, and never evicted: on either site as many. */
const favouriteTags = 50
/** Each takes a few microseconds: fewer of them tell of the compiler and of the machine rather than of the site. */
const hitsPerRound = 2000
const perRound = 100
const tagsPerRound = 10
const leastRounds = 3

export async function measureGrowth(options: GrowthOptions): Promise<Record<GrowthWork, Growth>> {
  const { pages, against, rounds, directory, endsAtMs = Number.POSITIVE_INFINITY, progress = () => undefined } = options
  const sites = { small: new GrownSite(against, directory), large: new GrownSite(pages, directory) }
  try {
    await sites.small.grow(() => undefined)
    await sites.large.grow((kept) => progress(`${kept} pages kept`))
    await round(sites, ['small', 'large'])
    const all: Record<Size, Times>[] = []
    for (let at = 0; at < rounds; at++) {
      if (at >= leastRounds && performance.now() > endsAtMs) break
      // Neither is always the first, which finds the caches of the other.
      all.push(await round(sites, at % 2 === 0 ? ['small', 'large'] : ['large', 'small']))
      if (at % 10 === 0) progress(`round ${at} of ${rounds}`)
    }
    const [smalls, larges] = [all.map(({ small }) => small), all.map(({ large }) => large)]
    const measured = works.map((work) => [work, compare(work, smalls, larges)])
    const growths = Object.fromEntries(measured) as Record<GrowthWork, Growth>
    const hitOfAny = { ...growths['hit of any page'], beyondFloor: beyondFloor(smalls, larges) }
    return { ...growths, 'hit of any page': hitOfAny }
  } finally {
    progress('removing the pages')
    await sites.small.close()
    await sites.large.close()
  }
}

type Size = 'small' | 'large'
type Times = Record<GrowthWork, number>

async function round(sites: Record<Size, GrownSite>, order: readonly Size[]): Promise<Record<Size, Times>> {
  const plans = { small: planOf(sites.small), large: planOf(sites.large) }
  const times = { small: {} as Times, large: {} as Times }
  for (const work of works) {
    for (const size of order) times[size][work] = await plans[size][work]()
  }
  for (const size of order) {
    for (const page of plans[size].evicted) await sites[size].fill(page)
  }
  return times
}

function planOf(site: GrownSite): Record<GrowthWork, () => Promise<number>> & { readonly evicted: readonly number[] } {
  const hot = numbers(0, favouriteTags, hitsPerRound).map((tag) => pick(site.pagesOf(tag)))
  const [any, others] = [anyPages(site), anyPages(site)]
  const tags = [...new Set(numbers(favouriteTags, site.tags, tagsPerRound))]
  return {
    hit: () => timeOf(hot, (page) => site.hit(page)),
    'bare read of any file': () => timeOf(others, (page) => site.readFile(page)),
    'hit of any page': () => timeOf(any, (page) => site.hit(page)),
    evict: () => timeOf(any, (page) => site.evict(page)),
    fill: () => timeOf(any, (page) => site.fill(page)),
    'tag eviction, per page': async () => (await timeOf(tags, (tag) => site.evictTag(tag))) / pagesPerTag,
    evicted: tags.flatMap((tag) => site.pagesOf(tag)),
  }
}

/** Microseconds: the median of the single calls, so that a pause of the whole process does not count. */
async function timeOf(items: readonly number[], work: (item: number) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (const item of items) {
    const began = performance.now()
    await work(item)
    times.push(performance.now() - began)
  }
  return quantile(times, 0.5) * 1000
}

function numbers(from: number, end: number, count: number): number[] {
  return Array.from({ length: count }, () => from + Math.floor(Math.random() * (end - from)))
}

function anyPages(site: GrownSite): number[] {
  return [...new Set(numbers(favouriteTags, site.tags, perRound).map((tag) => pick(site.pagesOf(tag))))]
}

function pick(pages: readonly number[]): number {
  return pages[Math.floor(Math.random() * pages.length)] ?? Number.NaN
}

function compare(work: GrowthWork, smalls: readonly Times[], larges: readonly Times[]): Growth {
  const ratios = larges.map((times, round) => times[work] / (smalls[round]?.[work] ?? Number.NaN))
  const median = (all: readonly Times[]) =>
    rounded(
      quantile(
        all.map((times) => times[work]),
        0.5,
      ),
    )
  return {
    largeUs: median(larges),
    smallUs: median(smalls),
    ratio: rounded(quantile(ratios, 0.5)),
    quartiles: [rounded(quantile(ratios, 0.25)), rounded(quantile(ratios, 0.75))],
  }
}

function beyondFloor(smalls: readonly Times[], larges: readonly Times[]): number {
  const growth = (work: GrowthWork, round: number) =>
    (larges[round]?.[work] ?? Number.NaN) / (smalls[round]?.[work] ?? Number.NaN)
  const ratios = larges.map((_, round) => growth('hit of any page', round) / growth('bare read of any file', round))
  return rounded(quantile(ratios, 0.5))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pages: { type: 'string', default: '1000000' },
      against: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '60' },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
    },
  })
  const { directory, json } = values
  const [pages, against, rounds] = [Number(values.pages), Number(values.against), Number(values.rounds)]
  const progress = (text: string) => void (json || process.stderr.write(`${text}\n`))
  const measured = await measureGrowth({ pages, against, rounds, directory, progress })
  if (json) {
    const { hit, fill, evict, ...others } = measured
    const ratios = { growthHit: hit.ratio, growthFill: fill.ratio, growthEvict: evict.ratio }
    const growthTagEvict = others['tag eviction, per page'].ratio
    console.log(JSON.stringify({ ...ratios, growthTagEvict, pages, against, details: measured }))
    return
  }
  console.log(`${pages} pages against ${against} on ${statfsSync(directory).type === 0xef53 ? 'ext4' : directory}`)
  for (const [work, { largeUs, smallUs, ratio, quartiles }] of Object.entries(measured)) {
    const times = `${String(smallUs).padStart(6)} µs ${String(largeUs).padStart(6)} µs`
    console.log(`  ${work.padEnd(24)} ${times}   ${String(ratio).padStart(5)} x   (${quartiles.join(' to ')})`)
  }
  console.log(
    `  a hit of any page grows ${measured['hit of any page'].beyondFloor} times as much as a bare read of any file`,
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
