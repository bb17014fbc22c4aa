/** What each of these tests begins with: a database with the shop's tables and triggers, and a directory for nodes. */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { fastDirectory } from '../../support/fast-directory.js'
import { type PostgresServer, query } from '../../support/postgres.js'
import type { NodePlan } from './node-process.js'
import { NodeUnderTest } from './node-under-test.js'
import { rules, tables } from './shop.js'

export class FeedScene {
  /** To the server itself. */
  readonly connection: string
  readonly #home: string
  readonly #undo: (() => unknown)[] = []

  static async on(server: PostgresServer): Promise<FeedScene> {
    const connection = await server.createDatabase()
    await query(connection, tables)
    await new FeedSchema({ rules }).install(connection)
    return new FeedScene(connection)
  }

  private constructor(connection: string) {
    this.connection = connection
    this.#home = mkdtempSync(path.join(fastDirectory(), 'pagekeep-feed-'))
  }

  /** A node that is not started yet. Rows are retained for a minute unless the plan says otherwise. */
  node(node: string, plan: Partial<NodePlan> = {}): NodeUnderTest {
    const directory = path.join(this.#home, node)
    const made = new NodeUnderTest({ connection: this.connection, directory, node, retentionMs: 60_000, ...plan })
    this.onEnd(async () => {
      made.resume()
      await made.kill()
    })
    return made
  }

  /** Done at the end, the last first. */
  onEnd(act: () => unknown): void {
    this.#undo.push(act)
  }

  async end(): Promise<void> {
    for (const act of this.#undo.splice(0).reverse()) await act()
    rmSync(this.#home, { recursive: true, force: true })
  }
}
