/** What the tests of the feed's consumers share: a database with a feed, writers, invalidators that are stopped. */
import { FeedInvalidator, type FeedInvalidatorOptions } from 'pagekeep/invalidators/postgres'
import pg from 'pg'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type FeedParts, soundFeedParts } from '../../../../../src/invalidators/postgres/feed/feed-work.js'
import { migrationStatements } from '../../../../../src/invalidators/postgres/feed/schema/migrations.js'
import { readSchemaName } from '../../../../../src/invalidators/postgres/feed/schema/quoting.js'
import { connect, type PostgresServer, query, startPostgres } from '../../../../support/postgres.js'
import { RecordingTarget } from '../../recording-target.js'

export const schema = readSchemaName('pagekeep')

/** One page a name: the trigger writes what the schema's own triggers write, by hand and in one line. */
export const siteSql = `
  CREATE TABLE page (name text PRIMARY KEY, version integer NOT NULL);
  CREATE FUNCTION page_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN
    INSERT INTO pagekeep.feed (rule, selector) SELECT 'page', 'pages/' || name FROM changed;
    IF FOUND THEN PERFORM pagekeep.wake(); END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER i AFTER INSERT ON page REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION page_changed();
  CREATE TRIGGER u AFTER UPDATE ON page REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION page_changed();
  CREATE TRIGGER d AFTER DELETE ON page REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION page_changed();`

export class FeedHarness {
  server!: PostgresServer
  readonly #undo: (() => Promise<unknown>)[] = []

  /** Call once, at the top of a test file. */
  static use(): FeedHarness {
    const harness = new FeedHarness()
    beforeAll(async () => {
      harness.server = await startPostgres()
    })
    afterEach(async () => {
      for (const undo of harness.#undo.splice(0).reverse()) await undo()
    })
    afterAll(() => harness.server.stop())
    return harness
  }

  /** A new database with a feed and a table `page`; resolves to its connection string. */
  async database(): Promise<string> {
    const database = await this.server.createDatabase()
    for (const statement of migrationStatements(schema)) await query(database, statement)
    await query(database, siteSql)
    return database
  }

  /** A connection that the test uses, as the site would. */
  async client(database: string): Promise<pg.Client> {
    const client = await connect(database)
    this.#undo.push(() => client.end())
    return client
  }

  /** An invalidator that is stopped when the test ends. Nothing but NOTIFYs and leases wakes it, unless told otherwise. */
  invalidator(options: Partial<FeedInvalidatorOptions>, parts: Partial<FeedParts> = {}): FeedInvalidator {
    const defaults = {
      connection: '',
      target: new RecordingTarget(),
      node: 'here',
      heartbeatMs: 3_600_000,
      answerTimeoutMs: 30_000,
      reconnectMaxMs: 200,
      standbyRetryMs: 30,
    }
    const invalidator = new FeedInvalidator({ ...defaults, ...options }, { ...soundFeedParts, ...parts })
    invalidator.on('error', () => {})
    this.#undo.push(() => invalidator.stop())
    return invalidator
  }

  /** Called when the test ends, before what was made earlier is undone. */
  onEnd(undo: () => Promise<unknown>): void {
    this.#undo.push(undo)
  }
}

export const insert = (name: string) => `INSERT INTO page VALUES ('${name}', 1)`
export const key = (name: string) => `pages/${name}`

/** Sends a NOTIFY that has no rows: the invalidator reads, as if somebody else had committed. */
export const ring = 'NOTIFY pagekeep'

/** Runs in a transaction whose connection is of its own, and leaves it open. */
export async function begin(client: pg.Client, isolation: string, ...statements: string[]): Promise<void> {
  await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
  for (const statement of statements) await client.query(statement)
}

export { pg }
