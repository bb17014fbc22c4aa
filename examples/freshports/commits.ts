/**
 * Commits as pages show them, and the making of one: the only thing that a visitor can change.
 */
import type pg from 'pg'
import { type Html, html } from './html.js'

export interface Commit {
  readonly day: string
  readonly time: string
  readonly branch: string
  readonly committer: string
  readonly description: string
  readonly ports: readonly { readonly category: string; readonly name: string; readonly version: string }[]
}

const columns = `
  to_char(commit_date AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
  to_char(commit_date AT TIME ZONE 'UTC', 'HH24:MI') AS time,
  branch, committer, commit_log.description,
  (SELECT coalesce(json_agg(json_build_object('category', categories.name, 'name', ports.name, 'version', port_version)
                            ORDER BY categories.name, ports.name), '[]')
     FROM commit_log_ports JOIN ports ON ports.id = port_id JOIN categories ON categories.id = category_id
    WHERE commit_log_id = commit_log.id) AS ports`

/** The commits that `rest` of the statement chooses (`WHERE …`, `LIMIT …`), the latest first. */
export async function findCommits(db: pg.Pool, where: string, limits: string, values: unknown[]): Promise<Commit[]> {
  const sql = `SELECT ${columns} FROM commit_log ${where} ORDER BY commit_date DESC, commit_log.id DESC ${limits}`
  return (await db.query<Commit>(sql, values)).rows
}

/** A list of commits; each says its day and branch where `isDated`. */
export function showCommits(commits: readonly Commit[], isDated = true): Html {
  return html`<ol class="rows">${commits.map(
    ({ day, time, branch, committer, description, ports }) => html`<li>
<p class="quiet">${isDated ? html`<a href="${dayAddress(day, branch)}">${day}</a> ` : ''}${time} UTC · ${committer}${
      branch === 'head' ? '' : ` · ${branch}`
    }</p>
<p>${description}</p>
<ul class="inline">${ports.map(
      ({ category, name, version }) =>
        html`<li><a href="/ports/${category}/${name}">${category}/${name}</a> <span class="quiet">${version}</span></li>`,
    )}</ul>
</li>`,
  )}</ol>`
}

export function dayAddress(day: string, branch: string): string {
  return `/date/${day.replaceAll('-', '/')}${branch === 'head' ? '' : `?branch=${branch}`}`
}

/** The form that makes a commit; on a page about a port or a day it says so, and comes back there. */
export function commitForm(about: { readonly port: string; readonly day?: string; readonly back: string }): Html {
  return html`<h2>Make a commit</h2>
<form method="post" action="/commit">
<label>Port <input name="port" value="${about.port}" required pattern="[\\w.+\\-]+/[\\w.+\\-]+" autocomplete="off"></label>
<label>What it does <input name="description" value="Fix the build" required maxlength="500"></label>
<input type="hidden" name="day" value="${about.day ?? ''}">
<input type="hidden" name="back" value="${about.back}">
<button>Commit</button>
</form>`
}

export interface NewCommit {
  /** `devel/git`. */
  readonly port: string
  readonly description: string
  /** The day it is made on, at this time of day; default today. */
  readonly day?: string
}

/**
 * Makes a commit to head that raises the port's PORTREVISION. Resolves to the day it was made on, or to
 * `undefined` when there is no such port. The cache is not mentioned: the triggers see to it.
 */
export async function makeCommit(db: pg.Pool, { port, description, day }: NewCommit): Promise<string | undefined> {
  const [category, name] = port.split('/')
  const { rows } = await db.query<{ day: string }>(
    `WITH raised AS (
       UPDATE ports SET revision = revision + 1
        WHERE name = $2 AND category_id = (SELECT id FROM categories WHERE name = $1)
       RETURNING id, version || '_' || revision AS shown
     ), made AS (
       INSERT INTO commit_log (message_id, commit_date, committer, description)
       SELECT gen_random_uuid() || '@example.org',
              (coalesce($4::date, (now() AT TIME ZONE 'UTC')::date) + (now() AT TIME ZONE 'UTC')::time) AT TIME ZONE 'UTC',
              'visitor', $3
         FROM raised
       RETURNING id, to_char(commit_date AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day
     ), linked AS (
       INSERT INTO commit_log_ports SELECT made.id, raised.id, raised.shown FROM made, raised
     )
     SELECT day FROM made`,
    [category, name, description, day ?? null],
  )
  return rows[0]?.day
}

/** Whether what this commit queued has been cleared: the rows go when the pages are gone. */
export async function isCleared(db: pg.Pool, port: string, day: string): Promise<boolean> {
  const { rows } = await db.query<{ yes: boolean }>(
    `SELECT NOT EXISTS (SELECT 1 FROM cache_clearing_ports WHERE category || '/' || port = $1)
        AND NOT EXISTS (SELECT 1 FROM cache_clearing_dates WHERE date_to_clear = $2::date) AS yes`,
    [port, day],
  )
  return rows[0]?.yes === true
}
