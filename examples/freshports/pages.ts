/**
 * The pages of the site: which there are, the key each is kept under, and how it is rendered from SQL.
 * Nothing in here knows when a page gets old.
 */
import type pg from 'pg'
import { commitForm, dayAddress, findCommits, showCommits } from './commits.js'
import { type Content, frame, type Html, html } from './html.js'
import { categoryPage, dayPage, newsPage, portPage } from './routes.js'

export interface Page {
  readonly key: string
  /** Rejects with `NotFound` when there is nothing to show; that is not kept. */
  render(db: pg.Pool): Promise<string>
}

export class NotFound extends Error {}

const perPage = 20
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/

/** The page of an address, or `undefined` when there can be none. Parameters that no page has are ignored. */
export function findPage(address: URL): Page | undefined {
  const [kind = '', ...names] = readPath(address.pathname)
  const page = address.searchParams.get('page') ?? '1'
  const branch = address.searchParams.get('branch') ?? 'head'
  if (!/^[1-9]\d{0,3}$/.test(page) || !names.every((name) => namePattern.test(name))) return undefined
  const [first = '', second = ''] = names
  if (kind === '' && names.length === 0) {
    return { key: newsPage.key({ page }), render: (db) => renderNews(db, Number(page)) }
  }
  if (kind === 'categories' && names.length === 1) {
    return { key: categoryPage.key({ category: first, page }), render: (db) => renderCategory(db, first, Number(page)) }
  }
  if (kind === 'ports' && names.length === 2) {
    const key = portPage.key({ category: first, name: second, page })
    return { key, render: (db) => renderPort(db, first, second, Number(page)) }
  }
  if (kind === 'date' && /^(head|\d{4}Q[1-4])$/.test(branch)) {
    // Read as a key, "2020/02/31" is no day.
    const key = `daily/${names.join('/')}.daily.${branch}`
    const date = dayPage.read(key)?.date
    return date === undefined ? undefined : { key, render: (db) => renderDay(db, date, branch) }
  }
  return undefined
}

/** Its segments, decoded; what cannot be decoded is left as it is, and is the name of nothing. */
function readPath(path: string): string[] {
  const segments = path.slice(1).replace(/\/$/, '').split('/')
  try {
    return segments.map(decodeURIComponent)
  } catch {
    return segments
  }
}

async function renderNews(db: pg.Pool, page: number): Promise<string> {
  const commits = await findCommits(db, '', 'LIMIT $1 OFFSET $2', [perPage + 1, (page - 1) * perPage])
  if (commits.length === 0 && page > 1) throw new NotFound()
  const categories = await db.query<{ name: string; ports: number }>(
    `SELECT categories.name, count(ports.id)::int AS ports
       FROM categories LEFT JOIN ports ON category_id = categories.id GROUP BY categories.name ORDER BY 1`,
  )
  const news = await db.query<{ title: string; day: string }>(
    "SELECT title, to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM news ORDER BY posted_at DESC, id DESC LIMIT 5",
  )
  return frame(
    page === 1 ? 'Latest commits' : `Latest commits, page ${page}`,
    html`<nav aria-label="Categories"><ul class="inline">${categories.rows.map(
      ({ name, ports }) => html`<li><a href="/categories/${name}">${name}</a> <span class="quiet">${ports}</span></li>`,
    )}</ul></nav>
${page === 1 ? commitForm({ port: 'devel/git', back: '/' }) : ''}
${showCommits(commits.slice(0, perPage))}
${pager('/', page, commits.length > perPage)}
<h2>News</h2>
<ul class="rows">${news.rows.map(({ title, day }) => html`<li><span class="quiet">${day}</span> ${title}</li>`)}</ul>`,
  )
}

async function renderCategory(db: pg.Pool, category: string, page: number): Promise<string> {
  const { rows } = await db.query<PortLine & { about: string }>(
    `SELECT ports.name, ${shownVersion}, short_description, categories.description AS about
       FROM categories JOIN ports ON category_id = categories.id WHERE categories.name = $1
      ORDER BY ports.name LIMIT $2 OFFSET $3`,
    [category, perPage + 1, (page - 1) * perPage],
  )
  const [first] = rows
  if (first === undefined) throw new NotFound()
  return frame(
    category,
    html`<p>${first.about}</p>
<ul class="rows">${rows.slice(0, perPage).map(
      ({ name, version, short_description }) => html`<li>
<a href="/ports/${category}/${name}">${name}</a> <span class="quiet">${version}</span><br>${short_description}</li>`,
    )}</ul>
${pager(`/categories/${category}`, page, rows.length > perPage)}`,
  )
}

async function renderPort(db: pg.Pool, category: string, name: string, page: number): Promise<string> {
  const { rows } = await db.query<PortLine & { id: number; maintainer: string }>(
    `SELECT ports.id, ports.name, ${shownVersion}, short_description, maintainer
       FROM ports JOIN categories ON categories.id = category_id WHERE categories.name = $1 AND ports.name = $2`,
    [category, name],
  )
  const [port] = rows
  if (port === undefined) throw new NotFound()
  const where = 'WHERE id IN (SELECT commit_log_id FROM commit_log_ports WHERE port_id = $1)'
  const values = [port.id, perPage + 1, (page - 1) * perPage]
  const commits = await findCommits(db, where, 'LIMIT $2 OFFSET $3', values)
  if (commits.length === 0 && page > 1) throw new NotFound()
  const address = `/ports/${category}/${name}`
  return frame(
    `${name} ${port.version}`,
    html`<p>${port.short_description}</p>
<p class="quiet">In <a href="/categories/${category}">${category}</a>. Maintained by ${port.maintainer}.</p>
${commitForm({ port: `${category}/${name}`, back: address })}
<h2>Commits</h2>
${showCommits(commits.slice(0, perPage))}
${pager(address, page, commits.length > perPage)}`,
  )
}

async function renderDay(db: pg.Pool, date: string, branch: string): Promise<string> {
  // The day in UTC, as a range of instants, so that the index is used.
  const where = `WHERE branch = $2 AND commit_date >= $1::timestamp AT TIME ZONE 'UTC'
                   AND commit_date < ($1::timestamp + interval '1 day') AT TIME ZONE 'UTC'`
  const commits = await findCommits(db, where, '', [date, branch])
  // Days without commits are not kept: there is no end of them.
  if (commits.length === 0) throw new NotFound()
  const [first = 'devel/git'] = commits.flatMap(({ ports }) => ports.map(({ category, name }) => `${category}/${name}`))
  return frame(
    `Commits of ${date}${branch === 'head' ? '' : ` on ${branch}`}`,
    html`<nav aria-label="Days"><ul class="inline">
<li><a href="${dayAddress(dayAfter(date, -1), branch)}">The day before</a></li>
<li><a href="${dayAddress(dayAfter(date, 1), branch)}">The day after</a></li>
</ul></nav>
${branch === 'head' ? commitForm({ port: first, day: date, back: dayAddress(date, branch) }) : ''}
${showCommits(commits, false)}`,
  )
}

/** A page that says why there is none. Never kept. */
export function renderFailure(title: string, advice: Content): string {
  return frame(title, html`<p>${advice}</p><p><a href="/">To the home page</a></p>`)
}

interface PortLine {
  readonly name: string
  readonly version: string
  readonly short_description: string
}

const shownVersion = "ports.version || CASE revision WHEN 0 THEN '' ELSE '_' || revision END AS version"

function pager(address: string, page: number, hasMore: boolean): Html | string {
  if (page === 1 && !hasMore) return ''
  const link = (to: number, text: string) =>
    html`<li><a href="${to === 1 ? address : `${address}?page=${to}`}">${text}</a></li>`
  return html`<nav aria-label="Pages"><ul class="inline">${[
    page > 1 ? link(page - 1, 'Previous') : '',
    hasMore ? link(page + 1, 'Next') : '',
  ]}</ul></nav>`
}

function dayAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10)
}
