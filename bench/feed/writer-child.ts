/** Some of the writers, as one process of Node; where there is no pgbench. */
import pg from 'pg'

export interface WriterPlan {
  readonly url: string
  readonly table: string
  readonly items: number
  readonly seconds: number
  readonly writers: number
  /** Commits per second of all of them. */
  readonly rate: number | undefined
}

export interface WriterReport {
  readonly perSecond: number
}

const plan = JSON.parse(process.argv[2] ?? '{}') as WriterPlan
const clients = Array.from({ length: plan.writers }, () => new pg.Client({ connectionString: plan.url }))
await Promise.all(clients.map((client) => client.connect()))
const text = `UPDATE ${plan.table} SET price = price + 1 WHERE id = $1`
const write = (client: pg.Client) =>
  client.query({ name: 'write', text, values: [1 + Math.floor(Math.random() * plan.items)] })
await Promise.all(clients.map(write))

const began = performance.now()
const end = began + plan.seconds * 1000
let commits = 0
const gapMs = plan.rate === undefined ? 0 : (1000 * plan.writers) / plan.rate
await Promise.all(
  clients.map(async (client, at) => {
    let dueAt = began + (gapMs * at) / plan.writers
    while (performance.now() < end) {
      const waitMs = dueAt - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      dueAt += gapMs
      await write(client)
      commits++
    }
  }),
)
const report: WriterReport = { perSecond: commits / ((performance.now() - began) / 1000) }
process.send?.(report)
await Promise.all(clients.map((client) => client.end()))
process.disconnect()
