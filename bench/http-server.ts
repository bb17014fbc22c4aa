/**
 * A server of node:http with one page, in a process of its own: `tsx http-server.ts <way> <directory> <port> <bytes>`.
 * Tells its parent when it listens. Ways: `pagekeep/http` in front of a handler; `cache` alone; the page as a
 * constant, which is as fast as node:http gets; and other caches (peers/listeners.ts).
 */
import { createServer, type RequestListener } from 'node:http'
import { createCache } from 'pagekeep'
import { createMiddleware, HttpCache } from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { textOf } from './texts.js'

const [way = '', directory = '', port = '', bytes = ''] = process.argv.slice(2)
const body = textOf('ASCII', Number(bytes))
const type = { 'Content-Type': 'text/html; charset=utf-8' }

async function listener(): Promise<RequestListener> {
  if (way === 'constant') {
    const buffer = Buffer.from(body)
    return (_, response) => void response.writeHead(200, { ...type, 'Content-Length': buffer.length }).end(buffer)
  }
  if (way !== 'cache' && way !== 'pagekeep/http') {
    const { peerListener } = await import('./peers/listeners.js')
    return peerListener(way, directory, body)
  }
  const cache = createCache({ store: new DiskStore({ directory }) })
  if (way === 'cache') {
    return async ({ url = '' }, response) => {
      const page = await cache.getOrRender(url.slice(1), () => Buffer.from(body))
      response.writeHead(200, { ...type, 'Content-Length': page.length }).end(page)
    }
  }
  const pages = new HttpCache({ cache, hosts: 'any', unsaid: 'until-evicted', plain: true })
  const middleware = createMiddleware(pages)
  const handler: RequestListener = (_, response) => void response.writeHead(200, type).end(body)
  return (request, response) => middleware(request, response, () => handler(request, response))
}

if (process.send !== undefined) {
  process.on('disconnect', () => process.exit())
  createServer(await listener()).listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
}
