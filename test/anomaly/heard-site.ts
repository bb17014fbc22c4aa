/**
 * A site with all its processes apart: PostgreSQL, a listener, an auditor, and here the process that serves.
 * Every page that is served is judged: none may be older than the database by more than the cache allows.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCache, type PageCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { expect } from 'vitest'
import { Board, type Tally } from '../../stress/board.js'
import { readPageText, writePageText } from '../../stress/page-text.js'
import { Site as Pages } from '../../stress/site.js'
import { type PostgresServer, query } from '../support/postgres.js'
import type { DatabaseAuditorPlan } from './database-auditor.js'
import type { ListenerPlan } from './listener-process.js'

/** How far back the invalidator may be before the cache that is bounded stops serving kept pages. */
export const maxLagMs = 1000
const pages = new Pages(32)
const auditorSeat = 0

const schema = `
  CREATE TABLE rows (id integer PRIMARY KEY, version integer NOT NULL);
  INSERT INTO rows SELECT id, 1 FROM generate_series(0, ${pages.rows - 1}) AS id;
  CREATE TABLE changed_rows (id bigserial, row_id integer NOT NULL);
  CREATE FUNCTION queue_row() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO changed_rows (row_id) VALUES (NEW.id);
    NOTIFY row_changed;
    RETURN NEW;
  END $$;
  CREATE TRIGGER queue_row AFTER UPDATE ON rows FOR EACH ROW EXECUTE FUNCTION queue_row();`

export class HeardSite {
  /** With `maxLagMs`. */
  readonly bounded: PageCache
  /** Without: the twin. */
  readonly unbounded: PageCache
  /** The names of the bounded cache's events `blind` and `sighted`, in order. */
  readonly events: string[] = []
  listener!: ChildProcess
  readonly #connection: string
  readonly #listenerPort: number
  readonly #parent = mkdtempSync(join(tmpdir(), 'pagekeep-heard-'))
  readonly #board: Board
  readonly #children = new Set<ChildProcess>()
  /** When each version of a row was surely committed: `versions[row][version]`. */
  readonly #committedAtMs = new Map<string, number>()
  readonly #changed = new Map<number, number>()
  #auditor!: ChildProcess
  #renders = 0

  /** `listenerPort`: by which port the listener reaches the database. */
  static async start(server: PostgresServer, listenerPort: number): Promise<HeardSite> {
    const connection = await server.createDatabase()
    await query(connection, schema)
    const site = new HeardSite(connection, listenerPort)
    site.#startAuditor()
    site.startListener()
    await once(site.#auditor, 'message')
    return site
  }

  private constructor(connection: string, listenerPort: number) {
    this.#connection = connection
    this.#listenerPort = listenerPort
    this.#board = Board.create(join(this.#parent, 'board'), pages.rows, 1)
    const store = () => new DiskStore({ directory: this.#directory })
    this.bounded = createCache({ store: store(), maxLagMs })
    this.unbounded = createCache({ store: store() })
    this.bounded.on('blind', () => this.events.push('blind'))
    this.bounded.on('sighted', () => this.events.push('sighted'))
  }

  startListener({ isFaithless = false } = {}): void {
    const connection = new URL(this.#connection)
    connection.port = String(this.#listenerPort)
    const plan: ListenerPlan = { connection: connection.href, directory: this.#directory, isFaithless }
    this.listener = this.#fork('listener-process.ts', plan)
  }

  async killListener(): Promise<void> {
    const ended = once(this.listener, 'exit')
    this.listener.kill('SIGKILL')
    await ended
  }

  /** Changes a row; resolves to its new version, committed. */
  async change(row: number): Promise<number> {
    const sql = `UPDATE rows SET version = version + 1 WHERE id = ${row} RETURNING version`
    const [changed] = await query(this.#connection, sql)
    const version: number = changed?.version
    this.#committedAtMs.set(`${row} ${version}`, Date.now())
    this.#changed.set(row, version)
    return version
  }

  /** Asks for a page of a row; resolves to the version that it shows. */
  async visit(row: number, cache = this.bounded): Promise<number> {
    const askedAtMs = Date.now()
    const body = await cache.getOrRender(pages.keyOf(row), () => this.#render(row))
    const version = readPageText(body, row)?.versions[1] ?? 0
    expect(version, 'a whole page').toBeGreaterThan(0)
    const nextAtMs = this.#committedAtMs.get(`${row} ${version + 1}`)
    if (cache === this.bounded && nextAtMs !== undefined) {
      expect(askedAtMs - nextAtMs, 'how long ago the page had become stale').toBeLessThanOrEqual(maxLagMs)
    }
    return version
  }

  /** Visits the row's page until it is a kept one of this version, and the cache sees. */
  async untilKept(row: number, version: number): Promise<void> {
    let hits = 0
    const off = this.bounded.on('hit', () => hits++)
    await this.until(`row ${row} is kept at version ${version}`, async () => {
      const before = hits
      return (await this.visit(row)) === version && hits > before
    })
    off()
  }

  /** Visits until the condition holds; fails after a generous deadline. */
  async until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = Date.now() + 150_000
    while (!(await isTrue())) {
      if (Date.now() > endMs) throw new Error(`Waited for 150 seconds until ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** What the auditor has found, once he has seen every change evicted and has audited at rest. */
  async audited(): Promise<Tally> {
    await this.until('the auditor sees every change evicted', () =>
      [...this.#changed].every(([row, version]) => this.isSeenEvicted(row, version)),
    )
    const audited = once(this.#auditor, 'message')
    this.#auditor.send('audit')
    await audited
    return this.tally
  }

  /** Whether the auditor has seen this version committed, and its eviction done. */
  isSeenEvicted(row: number, version: number): boolean {
    return this.#board.acknowledged(row) >= version
  }

  /** What the auditor has found so far. */
  get tally(): Tally {
    return this.#board.readTally(auditorSeat)
  }

  /** Each finding, for messages. */
  get findings(): string {
    return this.tally.staleKept + this.tally.staleReads === 0
      ? 'none'
      : readFileSync(join(this.#parent, 'findings'), 'utf8')
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all([this.bounded.close(), this.unbounded.close()])
    this.#board.close()
    rmSync(this.#parent, { recursive: true, force: true })
  }

  async #render(row: number): Promise<string> {
    const [read] = await query(this.#connection, `SELECT version FROM rows WHERE id = ${row}`)
    return writePageText({ page: row, versions: [row, read?.version], id: `${process.pid}.${++this.#renders}` }, 500)
  }

  get #directory(): string {
    return join(this.#parent, 'pages')
  }

  #startAuditor(): void {
    const plan: DatabaseAuditorPlan = {
      connection: this.#connection,
      directory: this.#directory,
      board: join(this.#parent, 'board'),
      findings: join(this.#parent, 'findings'),
      pages: pages.pages,
      seat: auditorSeat,
    }
    this.#auditor = this.#fork('database-auditor.ts', plan)
  }

  #fork(program: string, plan: object): ChildProcess {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const child = fork(path, [JSON.stringify(plan)], { execArgv: ['--import', 'tsx'] })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }
}
