/**
 * One node: a site with a cache directory of its own, as it would run on a host of its own. `node.ts NAME DIRECTORY`
 * serves `/drinks` from the database; the demo beside it starts two of them.
 *
 * `POST /price` changes a row and answers when no node serves the old page any more.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createCache, route } from 'pagekeep'
import { evictRoute, FeedInvalidator, FeedSchema, runUntilSignal, watch } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import pg from 'pg'

const [name = 'node', directory = './cache'] = process.argv.slice(2)
const connection = process.env.DATABASE_URL ?? 'postgres://localhost/site'

const page = route('{category}/index.html')
const rules = [
  watch({ table: 'products', columns: ['name', 'price'], evicts: [evictRoute(page, { category: 'category' })] }),
]

const cache = createCache({ store: new DiskStore({ directory }) })
const invalidator = new FeedInvalidator({ connection, target: cache, node: name })
const db = new pg.Pool({ connectionString: connection })
db.on('error', () => {})

async function render(category: string): Promise<string> {
  const { rows } = await db.query('SELECT name, price FROM products WHERE category = $1 ORDER BY id', [category])
  return `${rows.map((row) => `${row.name} ${row.price}`).join(', ')}\n`
}

const server = createServer(async (request, response) => {
  const [, first = ''] = (request.url ?? '').split('/')
  if (request.method === 'POST' && first === 'price') {
    const client = await db.connect()
    await client.query("UPDATE products SET price = price + 1 WHERE name = 'tea'")
    await invalidator.settledEverywhere(client, { timeoutMs: 30_000 })
    client.release()
    response.end('settled everywhere\n')
    return
  }
  const answer = await cache.answer(page.key({ category: first }), () => render(first))
  response.setHeader('X-Cache', answer.status)
  response.end(answer.body)
})

await new FeedSchema({ rules }).install(connection)
void invalidator.ready().then(() => {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    console.log(`${name} listens at http://127.0.0.1:${port}`)
  })
})
await runUntilSignal(invalidator)
server.closeAllConnections()
server.close()
await cache.close()
await db.end()
