/**
 * The FreshPorts example for a test: its database on the file's server, a cache directory of its own, a
 * site, and the invalidator inside this process, so that a test can ask it whether it has anything left to do.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createCache, type PageCache } from 'pagekeep'
import { PostgresInvalidator, type PostgresInvalidatorOptions } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import pg from 'pg'
import { fillDatabase } from '../../examples/freshports/database.js'
import { keptPages } from '../../examples/freshports/files.js'
import { rules } from '../../examples/freshports/rules.js'
import { type Site, type SiteOptions, startSite } from '../../examples/freshports/site.js'
import type { PostgresServer } from '../support/postgres.js'

export interface Visit {
  readonly status: number
  readonly cache: string | null
  readonly text: string
}

export class Scene {
  readonly failures: string[] = []
  private constructor(
    readonly database: string,
    readonly cacheDirectory: string,
    readonly cache: PageCache,
    readonly db: pg.Pool,
    readonly invalidator: PostgresInvalidator,
    readonly site: Site,
  ) {}

  /** Everything but the invalidator is started. */
  static async open(
    server: PostgresServer,
    options: { invalidator?: Partial<PostgresInvalidatorOptions>; site?: Partial<SiteOptions> } = {},
  ): Promise<Scene> {
    const database = await server.createDatabase()
    await fillDatabase(database)
    const cacheDirectory = await mkdtemp(join(tmpdir(), 'pagekeep-freshports-'))
    const cache = createCache({ store: new DiskStore({ directory: cacheDirectory }) })
    const db = new pg.Pool({ connectionString: database })
    db.on('error', () => {})
    const invalidator = new PostgresInvalidator({ connection: database, target: cache, rules, ...options.invalidator })
    const site = await startSite({ cache, db, port: 0, print: () => {}, ...options.site })
    return new Scene(database, cacheDirectory, cache, db, invalidator, site)
  }

  async visit(address: string, init: RequestInit = {}): Promise<Visit> {
    const response = await fetch(`${this.site.origin}${address}`, init)
    return { status: response.status, cache: response.headers.get('x-cache'), text: await response.text() }
  }

  files(): Promise<string[]> {
    return keptPages(this.cacheDirectory)
  }

  /** Resolves when all that was committed is cleared, and nothing will be cleared a second time. */
  async quiet(): Promise<void> {
    await until(async () => {
      const { rows } = await this.db.query(
        'SELECT 1 FROM cache_clearing_ports UNION ALL SELECT 1 FROM cache_clearing_dates',
      )
      return rows.length === 0 && this.invalidator.status().secondLook.pending === 0
    })
  }

  async close(): Promise<void> {
    await this.invalidator.stop()
    await this.site.close()
    await this.cache.close()
    await this.db.end()
    await rm(this.cacheDirectory, { recursive: true, force: true })
  }
}

/** Asks until it is so; rejects after 20 s. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`It did not come to be: ${isSo}`)
    await delay(10)
  }
}
