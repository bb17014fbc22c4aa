/**
 * The story of the example, played without a browser: each step does something, then looks at the answers
 * over HTTP and at the files on disk. It ends at the first step that is wrong.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { PageCache } from 'pagekeep'
import type pg from 'pg'
import { makeCommit } from './commits.js'
import { keptPages } from './files.js'
import type { Listener } from './listener-process.js'
import type { Print } from './processes.js'

export interface Stage {
  /** Where the site is: `http://127.0.0.1:8080`. */
  readonly origin: string
  readonly cacheDirectory: string
  readonly cache: Pick<PageCache, 'state'>
  readonly db: pg.Pool
  /** Is running at first, and at the end. */
  readonly listener: Pick<Listener, 'start' | 'stop'>
  readonly print: Print
  /** How long to wait for what should happen, in milliseconds. Default 20,000. */
  readonly patienceMs?: number
}

/** A step that did not turn out as told. */
export class StoryError extends Error {}

const day = '/date/2020/01/08'
const dayKey = 'daily/2020/01/08.daily.head'
const newsKey = 'news/page-1.html'
const bystanders = ['/', '/date/2020/01/09', '/date/2020/01/08?branch=2020Q1', '/categories/devel', '/ports/devel/git']

/** Rejects with a `StoryError` at the first step that is wrong. */
export async function playStory(stage: Stage): Promise<void> {
  const { print } = stage
  const steps = [firstVisit, secondVisit, crowd, commitToTheDay, thirdVisit, commitToAPort, awayAndBack]
  for (const [index, step] of steps.entries()) {
    const tell = (text: string) => print(`${index + 1}. ${text}`)
    await step(stage, tell, (text) => print(`   ${text}`))
  }
  print('All of it was as it should be.')
}

type Step = (stage: Stage, tell: Print, note: Print) => Promise<void>

const firstVisit: Step = async (stage, tell, note) => {
  tell(`The first visit to ${day} renders the page and keeps it.`)
  const answer = await visit(stage, day)
  check('how the answer was made', answer.status, 'rendered')
  check('the files', await keptPages(stage.cacheDirectory), [dayKey])
  const file = await readFile(join(stage.cacheDirectory, dayKey), 'utf8')
  check('the rendering time in the file', renderedAt(file), renderedAt(answer.text))
  note(`It is the file ${dayKey}.`)
}

const secondVisit: Step = async (stage, tell, note) => {
  tell('The second visit is a hit.')
  const file = await readFile(join(stage.cacheDirectory, dayKey), 'utf8')
  const answer = await visit(stage, day)
  check('how the answer was made', answer.status, 'hit')
  check('the rendering time', renderedAt(answer.text), renderedAt(file))
  note('It shows the time of the first rendering.')
}

const crowd: Step = async (stage, tell, note) => {
  tell('Twenty visitors at once to a page that is not there render it once.')
  const answers = await Promise.all(Array.from({ length: 20 }, () => visit(stage, '/date/2020/01/10')))
  const rendered = answers.filter(({ status }) => status === 'rendered').length
  check('how many rendered', rendered, 1)
  check('how many pages they saw', new Set(answers.map(({ text }) => renderedAt(text))).size, 1)
  note('All twenty show the same rendering time.')
}

const commitToTheDay: Step = async (stage, tell, note) => {
  for (const address of bystanders) await visit(stage, address)
  tell('A commit to that day removes its pages, of all branches, and the news.')
  const before = await keptPages(stage.cacheDirectory)
  note(`Kept before: ${before.join(' ')}`)
  const form = { port: 'www/nginx', description: 'Story: a commit to that day', day: '2020-01-08', back: day }
  const response = await fetch(`${stage.origin}/commit`, {
    method: 'POST',
    body: new URLSearchParams(form),
    redirect: 'manual',
  })
  check('the answer to the form', [response.status, response.headers.get('location')], [303, day])
  await untilRemoved(stage, note, before, [dayKey, 'daily/2020/01/08.daily.2020Q1', newsKey])
}

const thirdVisit: Step = async (stage, tell, note) => {
  tell('The third visit renders again and shows the commit; the fourth is a hit.')
  const answer = await visit(stage, day)
  check('how the answer was made', answer.status, 'rendered')
  check('whether the page shows the commit', answer.text.includes('Story: a commit to that day'), true)
  check('how the next answer was made', (await visit(stage, day)).status, 'hit')
  note('No purge was called anywhere: a trigger queued the day, the listener cleared it.')
}

const commitToAPort: Step = async (stage, tell, note) => {
  for (const address of bystanders) await visit(stage, address)
  tell('A commit to devel/git today removes the pages of the port and of its category, and the news.')
  const before = await keptPages(stage.cacheDirectory)
  await makeCommit(stage.db, { port: 'devel/git', description: 'Story: an update' })
  await untilRemoved(stage, note, before, ['categories/devel/page-1.html', newsKey, 'ports/devel/git/page-1.html'])
}

const awayAndBack: Step = async (stage, tell, note) => {
  const { rows } = await stage.db.query<{ port: string }>(
    `SELECT min(categories.name || '/' || ports.name) AS port FROM ports JOIN categories ON categories.id = category_id
      WHERE categories.name <> 'devel' GROUP BY category_id ORDER BY 1 LIMIT 10`,
  )
  const ports = rows.map(({ port }) => port)
  const pages = ports.map((port) => `/ports/${port}`)
  for (const address of pages) await visit(stage, address)
  tell('The listener is stopped. Ten ports change.')
  await stage.listener.stop()
  const before = await keptPages(stage.cacheDirectory)
  for (const port of ports) await makeCommit(stage.db, { port, description: 'Story: nobody is listening' })
  check('the files', await keptPages(stage.cacheDirectory), before)
  const old = await Promise.all(pages.map((address) => visit(stage, address)))
  check('how the answers were made', new Set(old.map(({ status }) => status)), new Set(['hit']))
  note('The ten pages are old, and served as they are.')

  note('The listener is started: it finds all ten in the queue, though every NOTIFY was lost.')
  await stage.listener.start()
  await untilRemoved(stage, note, before, [newsKey, ...ports.map((port) => `ports/${port}/page-1.html`)])
  const fresh = await Promise.all(pages.map((address) => visit(stage, address)))
  const shown = fresh.filter(({ text }) => text.includes('Story: nobody is listening')).length
  check('how many of the ten pages show the change', shown, 10)
  note('All ten pages show the change.')
}

interface Visit {
  readonly status: string | null
  readonly text: string
}

async function visit({ origin }: Stage, address: string): Promise<Visit> {
  const response = await fetch(`${origin}${address}`)
  if (response.status !== 200) throw new StoryError(`${address} was answered with ${response.status}.`)
  return { status: response.headers.get('x-cache'), text: await response.text() }
}

function renderedAt(page: string): string {
  return /<time datetime="([^"]+)"/.exec(page)?.[1] ?? 'no rendering time'
}

/** Waits until of `before` exactly `removed` are gone, and the listener has nothing left to do. */
async function untilRemoved(stage: Stage, note: Print, before: string[], removed: string[]): Promise<void> {
  const gone = removed.filter((key) => before.includes(key)).sort()
  const left = before.filter((key) => !removed.includes(key))
  await until(stage, 'the files', left, () => keptPages(stage.cacheDirectory))
  await until(stage, 'what waits in the queues', 0, () => countQueued(stage.db))
  // It looks again when the transactions that were open have ended. What comes next counts files, so that must be over.
  await until(
    stage,
    'second looks that are due',
    '',
    async () => (await stage.cache.state.read('postgres-second-look')) ?? '',
  )
  note(`Removed: ${gone.join(' ')}`)
  note(`The other ${left.length} stayed.`)
}

async function countQueued(db: pg.Pool): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    'SELECT ((SELECT count(*) FROM cache_clearing_ports) + (SELECT count(*) FROM cache_clearing_dates))::int AS count',
  )
  return rows[0]?.count ?? -1
}

async function until<T>(stage: Stage, what: string, expected: T, find: () => Promise<T>): Promise<void> {
  const deadline = Date.now() + (stage.patienceMs ?? 20_000)
  let found = await find()
  while (!isDeepStrictEqual(found, expected) && Date.now() < deadline) {
    await delay(20)
    found = await find()
  }
  check(what, found, expected)
}

function check<T>(what: string, found: T, expected: T): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new StoryError(`Wrong: ${what}.\n  expected ${show(expected)}\n  found    ${show(found)}`)
}

function show(value: unknown): string {
  return JSON.stringify(value instanceof Set ? [...value] : value)
}
