/** What the tests of this folder share: a server a file, a database and invalidators a test, waiting without sleeping. */

import {
  type InvalidatorEventName,
  type InvalidatorEvents,
  PostgresInvalidator,
  type PostgresInvalidatorOptions,
} from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { soundParts } from '../../../src/invalidators/postgres/work.js'
import { connect, type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { rules, schema } from './queue-database.js'

type Parts = typeof soundParts

export class Harness {
  server!: PostgresServer
  readonly #undo: (() => Promise<unknown>)[] = []

  /** Call once, at the top of a test file. */
  static use(): Harness {
    const harness = new Harness()
    beforeAll(async () => {
      harness.server = await startPostgres()
    })
    afterEach(() => harness.#cleanUp())
    afterAll(() => harness.server.stop())
    return harness
  }

  /** A new database with the queue tables; resolves to its connection string. */
  async database(sql = schema): Promise<string> {
    const database = await this.server.createDatabase()
    await query(database, sql)
    return database
  }

  /** A connection that the test uses, as the site would. */
  async client(database: string): Promise<pg.Client> {
    const client = await connect(database)
    this.#undo.push(() => client.end())
    return client
  }

  /** An invalidator that is stopped when the test ends. */
  invalidator(options: Partial<PostgresInvalidatorOptions>, parts: Partial<Parts> = {}): PostgresInvalidator {
    const required = {
      connection: '',
      target: { evict: () => Promise.reject() },
      rules,
      reconnectMaxMs: 200,
      standbyRetryMs: 50,
    }
    const invalidator = new PostgresInvalidator({ ...required, ...options }, { ...soundParts, ...parts })
    invalidator.on('error', () => {})
    this.#undo.push(() => invalidator.stop())
    return invalidator
  }

  /** Called when the test ends, before what was made earlier is undone. */
  onEnd(undo: () => Promise<unknown>): void {
    this.#undo.push(undo)
  }

  async #cleanUp(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo()
  }
}

/** The next event of that name, or the next for which `isWanted`. */
export function next<Name extends InvalidatorEventName>(
  invalidator: PostgresInvalidator,
  name: Name,
  isWanted: (event: InvalidatorEvents[Name]) => boolean = () => true,
): Promise<InvalidatorEvents[Name]> {
  return new Promise((resolve) => {
    const off = invalidator.on(name, (event) => {
      if (!isWanted(event)) return
      off()
      resolve(event)
    })
  })
}

/** Polls until `isTrue`; fails after a time that no busy machine comes near, saying what was waited for. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 150_000
  while (!(await isTrue())) {
    if (Date.now() > endMs) throw new Error(`Waited for 150 seconds until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A promise and its resolution: a gate that a test opens. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

export async function count(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)
  return rows[0]?.n ?? -1
}
