/**
 * The shop with Express: `npx tsx examples/express/site.ts`, with `--once` to see it told. What a page is made of is
 * said where it is made; who changes the table need not know that there is a cache.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createCache } from 'pagekeep'
import { createMiddleware, HttpCache, pageContext } from 'pagekeep/http'
import { FeedInvalidator, FeedSchema } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { play } from '../shop/play.js'
import { rules, Shop } from '../shop/shop.js'

const shop = await Shop.open()
await new FeedSchema({ rules }).install(shop.connection)

const cache = createCache({ store: new DiskStore({ directory: shop.directory }) })
const invalidator = new FeedInvalidator({ connection: shop.connection, target: cache })
await invalidator.start()

const app = express()
app.use(createMiddleware(new HttpCache({ cache, hosts: 'any' })))
app.get('/category/:category', async (request, response) => {
  const { category } = request.params
  pageContext(request)?.tag('products', `category:${category}`)
  response.send(await shop.categoryPage(category))
})
app.get('/products/:id', async (request, response) => {
  const { id } = request.params
  pageContext(request)?.tag('products', `product:${id}`)
  const page = await shop.productPage(id)
  if (page === undefined) response.status(404).send('There is no such product.\n')
  else response.send(page)
})

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
await play(`http://127.0.0.1:${port}`, shop, invalidator)

server.closeAllConnections()
await new Promise((resolve) => server.close(resolve))
await invalidator.stop()
await cache.close()
await shop.close()
