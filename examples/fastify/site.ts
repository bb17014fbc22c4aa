/**
 * The shop with Fastify: `npx tsx examples/fastify/site.ts`, with `--once` to see it told. The plugin is registered
 * before the routes; a kept page never reaches them.
 */
import { fastify } from 'fastify'
import { createCache } from 'pagekeep'
import { createFastifyPlugin, HttpCache, pageContext } from 'pagekeep/http'
import { FeedInvalidator, FeedSchema } from 'pagekeep/invalidators/postgres'
import { DiskStore } from 'pagekeep/stores/disk'
import { play } from '../shop/play.js'
import { rules, Shop } from '../shop/shop.js'

const shop = await Shop.open()
await new FeedSchema({ rules }).install(shop.connection)

const cache = createCache({ store: new DiskStore({ directory: shop.directory }) })
const invalidator = new FeedInvalidator({ connection: shop.connection, target: cache })
await invalidator.start()

const app = fastify()
await app.register(createFastifyPlugin(new HttpCache({ cache, hosts: 'any' })))
app.get<{ Params: { category: string } }>('/category/:category', async (request, reply) => {
  const { category } = request.params
  pageContext(request.raw)?.tag('products', `category:${category}`)
  return reply.type('text/html; charset=utf-8').send(await shop.categoryPage(category))
})
app.get<{ Params: { id: string } }>('/products/:id', async (request, reply) => {
  const { id } = request.params
  pageContext(request.raw)?.tag('products', `product:${id}`)
  const page = await shop.productPage(id)
  reply.type('text/html; charset=utf-8')
  return page === undefined ? reply.code(404).send('There is no such product.\n') : reply.send(page)
})

const origin = await app.listen({ port: Number(process.env.PORT ?? 0), host: '127.0.0.1' })
await play(origin, shop, invalidator)

app.server.closeAllConnections()
await app.close()
await invalidator.stop()
await cache.close()
await shop.close()
