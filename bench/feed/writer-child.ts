/** Some of the writers, as one process of Node; where there is no pgbench. It writes until it is killed. */
import pg from 'pg'

export interface WriterPlan {
  readonly url: string
  readonly table: string
  readonly items: number
  readonly writers: number
  /** Commits per second of all of them. */
  readonly rate: number | undefined
}

const { url, table, items, writers, rate } = JSON.parse(process.argv[2] ?? '{}') as WriterPlan
const text = `UPDATE ${table} SET price = price + 1 WHERE id = $1`
const gapMs = rate === undefined ? 0 : (1000 * writers) / rate
await Promise.all(Array.from({ length: writers }, write))

async function write(): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (let dueAt = performance.now() + gapMs * Math.random(); ; dueAt += gapMs) {
    const waitMs = dueAt - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    await client.query({ name: 'write', text, values: [1 + Math.floor(Math.random() * items)] })
  }
}
