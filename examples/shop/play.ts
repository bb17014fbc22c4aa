/**
 * What happens to a shop that is served: with `--once` a story is played over HTTP and told line by line; otherwise
 * the site runs until Ctrl-C.
 */
import { once } from 'node:events'
import type { FeedInvalidator } from 'pagekeep/invalidators/postgres'
import type { Shop } from './shop.js'

/** Resolves when the story is over, or at SIGINT or SIGTERM. */
export async function play(origin: string, shop: Shop, invalidator: FeedInvalidator): Promise<void> {
  if (process.argv.includes('--once')) return playStory(origin, shop, invalidator)
  console.log(`The site      ${origin}/category/drinks`)
  console.log(`The database  psql ${shop.connection}`)
  console.log(`The pages     ${shop.directory}`)
  console.log("Change a price with psql: UPDATE products SET price = 5 WHERE name = 'tea';")
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

async function playStory(origin: string, { db }: Shop, invalidator: FeedInvalidator): Promise<void> {
  const visit = async (path: string) => {
    const response = await fetch(`${origin}${path}`)
    const text = (await response.text())
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim()
    console.log(`GET ${path}  ${response.status}  ${response.headers.get('cache-status')}  ${text}`)
  }
  const change = async (sql: string) => {
    const client = await db.connect()
    await client.query(sql)
    await invalidator.settled(client)
    client.release()
    console.log(`${sql};`)
  }
  for (const path of ['/category/drinks', '/category/drinks', '/products/1', '/products/2', '/category/food']) {
    await visit(path)
  }
  await change("UPDATE products SET price = 5 WHERE name = 'tea'")
  for (const path of ['/category/drinks', '/products/1', '/products/2', '/category/food']) await visit(path)
  await change('UPDATE products SET stock = stock + 10')
  await visit('/category/drinks')
  await change("UPDATE products SET category = 'food' WHERE name = 'tea'")
  for (const path of ['/category/drinks', '/category/food']) await visit(path)
  await visit('/products/4')
}
