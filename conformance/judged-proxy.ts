/** What is judged: a proxy made with pagekeep, in front of the suite's own server; pages in memory, or on disk. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProxy } from '../src/http/index.js'
import { createCache } from '../src/index.js'
import { DiskStore } from '../src/stores/disk/index.js'
import { MemoryStore } from '../src/stores/memory.js'

export interface JudgedProxy {
  readonly url: string
  close(): Promise<void>
}

export async function startProxy(origin: string, isOnDisk: boolean): Promise<JudgedProxy> {
  const directory = isOnDisk ? mkdtempSync(join(tmpdir(), 'pagekeep-conformance-')) : undefined
  const cache = createCache({ store: directory === undefined ? new MemoryStore() : new DiskStore({ directory }) })
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
      if (directory !== undefined) rmSync(directory, { recursive: true })
    },
  }
}
