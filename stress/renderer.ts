/**
 * A visitor: asks for one page after another, through the cache or past it as nginx would, and judges each
 * answer. What he asks the cache for is rendered when it is missing: rows read one by one, with pauses.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { PageBody } from 'pagekeep'
import { readPage } from './audit-files.js'
import type { Board } from './board.js'
import type { Counting } from './counting.js'
import type { Gate } from './gate.js'
import { judge } from './judge.js'
import { writePageText } from './page-text.js'
import type { Random } from './random.js'
import type { Site } from './site.js'
import type { Render, Subject } from './subject.js'

export interface LoopParts {
  readonly subject: Subject
  readonly site: Site
  readonly board: Board
  readonly gate: Gate
  readonly random: Random
  readonly counting: Counting
  /** Where the page of a key lies as a file, if pages do. */
  readonly fileOf: ((key: string) => string) | undefined
}

const turnsBetweenYields = 8
/** So often a visitor asks for a page of what was committed last: there, renders and evictions meet. */
const newsShare = 0.25
let rendered = 0

/** `passes`: never waits for a page, and takes what is kept or nothing. */
export async function visit(parts: LoopParts, passes: boolean): Promise<void> {
  const { site, board, gate, random, counting } = parts
  const notes = board.notes()
  for (let turn = 0; await gate.pass(); turn++) {
    // Hits take no turn of the event loop by themselves.
    if (turn % turnsBetweenYields === 0) await setImmediate()
    const page = random.isLess(newsShare)
      ? site.pageFrom(board.lastCommittedIn(notes), random)
      : random.below(site.pages)
    const past = parts.fileOf === undefined || random.isLess(0.5) ? 'get' : 'outside'
    const way = passes || random.isLess(0.1) ? past : 'getOrRender'
    board.note(notes)
    const body = await look(parts, way, page)
    if (body !== undefined) judge(board, counting, { page, body, notes, way })
  }
}

async function look({ subject, ...parts }: LoopParts, way: string, page: number): Promise<PageBody | undefined> {
  const { site, fileOf } = parts
  const key = site.keyOf(page)
  if (way === 'get') return subject.get(key)
  if (way === 'outside' && fileOf !== undefined) return readPage(fileOf(key))
  return subject.getOrRender(key, (context) => render(parts, page, context))
}

async function render(
  { site, board, random }: Omit<LoopParts, 'subject'>,
  page: number,
  context: Parameters<Render>[0],
) {
  const home = site.homeOf(page)
  const homeVersion = board.version(home)
  const versions = [home, homeVersion]
  const tag = site.tagOf(home, homeVersion)
  if (tag !== undefined) context.tag(tag)
  await linger(random)
  for (const row of site.foundBy(page, homeVersion)) {
    const version = board.version(row)
    versions.push(row, version)
    context.tag(site.tagOf(row, version) ?? '')
    await linger(random)
  }
  const id = `${process.pid}.${++rendered}`
  const text = writePageText({ page, versions, id }, random.below(random.isLess(0.05) ? 50_000 : 4000))
  // Bytes have a record beside their page, text has none.
  return page % 3 === 0 ? Buffer.from(text) : text
}

async function linger(random: Random): Promise<void> {
  const choice = random.next()
  if (choice < 0.2) await setTimeout(random.next() * 4)
  else if (choice < 0.5) await setImmediate()
}
