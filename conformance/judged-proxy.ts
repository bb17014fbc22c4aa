/** What is judged: a proxy made with pagekeep, in front of the suite's own server, pages in memory. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxy } from '../src/http/index.js'
import { createCache } from '../src/index.js'
import { MemoryStore } from '../src/stores/memory.js'

export interface JudgedProxy {
  readonly url: string
  close(): Promise<void>
}

export async function startProxy(origin: string): Promise<JudgedProxy> {
  const cache = createCache({ store: new MemoryStore() })
  cache.on('error', (error) => process.stderr.write(`${error.code}: ${error.message}\n`))
  const proxy = createProxy({
    cache,
    origin,
    hosts: 'any',
    ignoredCookies: 'all',
    staleIfErrorMs: 60_000,
    targets: ['CDN-Cache-Control', 'Surrogate-Control'],
  })
  const server = createServer(proxy.handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      proxy.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await cache.close()
    },
  }
}
