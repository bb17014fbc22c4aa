/**
 * The shop with Hono on Node: `npx tsx examples/hono/site.ts`, with `--once` to see it told. On Bun and Deno only the
 * lines with `serve` differ.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createCache } from 'pagekeep'
import { createHonoMiddleware, HttpCache, pageContextOf } from 'pagekeep/http'
import { FeedInvalidator, FeedSchema } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { play } from '../shop/play.js'
import { rules, Shop } from '../shop/shop.js'

const shop = await Shop.open()
await new FeedSchema({ rules }).install(shop.connection)

const cache = createCache({ store: new DiskStore({ directory: shop.directory }) })
const invalidator = new FeedInvalidator({ connection: shop.connection, target: cache })
await invalidator.start()

const app = new Hono()
app.use(createHonoMiddleware(new HttpCache({ cache, hosts: 'any' })))
app.get('/category/:category', async (c) => {
  const category = c.req.param('category')
  pageContextOf(c.req.raw)?.tag('products', `category:${category}`)
  return c.html(await shop.categoryPage(category))
})
app.get('/products/:id', async (c) => {
  const id = c.req.param('id')
  pageContextOf(c.req.raw)?.tag('products', `product:${id}`)
  const page = await shop.productPage(id)
  return page === undefined ? c.html('There is no such product.\n', 404) : c.html(page)
})

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 0), hostname: '127.0.0.1' })
await once(server, 'listening')
const { port } = server.address() as AddressInfo
await play(`http://127.0.0.1:${port}`, shop, invalidator)

if ('closeAllConnections' in server) server.closeAllConnections()
await new Promise((resolve) => server.close(resolve))
await invalidator.stop()
await cache.close()
await shop.close()
