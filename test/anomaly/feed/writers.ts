/**
 * Applications at work: random changes in random isolation levels, with rollbacks, savepoints and transactions
 * that stay open, over connections that may be lost. What is committed is known to the database alone.
 */
import pg from 'pg'
import { categoryCount, itemCount } from './shop.js'

const levels = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const
const below = (limit: number) => Math.floor(Math.random() * limit)
const anyOf = <T>(list: readonly T[]) => list[below(list.length)] as T
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const item = () => 1 + below(itemCount)
const statements: readonly (() => string)[] = [
  () => `UPDATE item SET version = version + 1 WHERE id = ${item()}`,
  () => `UPDATE item SET version = version + 1 WHERE id IN (${item()}, ${item()}, ${item()})`,
  () => `UPDATE item SET category = ${below(categoryCount)}, version = version + 1 WHERE id = ${item()}`,
  () => `UPDATE item SET version = version WHERE id = ${item()}`,
  () => `DELETE FROM item WHERE id = ${item()}`,
  () =>
    `INSERT INTO item VALUES (${item()}, ${below(categoryCount)}) ON CONFLICT (id) DO UPDATE SET version = item.version + 1`,
  () => `UPDATE item SET version = version + 1 WHERE category = ${below(categoryCount)}`,
]

export class Writers {
  commits = 0
  readonly #connection: string
  #isWriting = true
  readonly #work: Promise<void>[]

  constructor(connection: string, count: number) {
    this.#connection = connection
    this.#work = Array.from({ length: count }, () => this.#write())
  }

  async stop(): Promise<void> {
    this.#isWriting = false
    await Promise.all(this.#work)
  }

  async #write(): Promise<void> {
    while (this.#isWriting) {
      const client = new pg.Client({ connectionString: this.#connection, connectionTimeoutMillis: 1000 })
      client.on('error', () => undefined)
      try {
        await client.connect()
        while (this.#isWriting) await this.#transaction(client)
      } catch {
        await pause(50)
      } finally {
        await client.end().catch(() => undefined)
      }
    }
  }

  /** Rejects when the connection is lost; a transaction that the server refused is over, and another follows. */
  async #transaction(client: pg.Client): Promise<void> {
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${anyOf(levels)}`)
      for (let count = 1 + below(3); count > 0; count--) {
        const isTakenBack = Math.random() < 0.2
        if (isTakenBack) await client.query('SAVEPOINT here')
        await client.query(anyOf(statements)())
        if (isTakenBack) await client.query('ROLLBACK TO here')
        if (Math.random() < 0.3) await pause(below(30))
        if (Math.random() < 0.02) await pause(600)
      }
      await client.query(Math.random() < 0.1 ? 'ROLLBACK' : 'COMMIT')
      this.commits++
    } catch (thrown) {
      if ((thrown as { code?: string }).code === undefined) throw thrown
      await client.query('ROLLBACK')
    }
  }
}
