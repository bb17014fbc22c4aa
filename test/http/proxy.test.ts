import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { createCache, type Store } from 'pagekeep'
import { createProxy, type ProxyOptions } from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, it, onTestFinished } from 'vitest'
import { get, serve } from './serve.js'

interface Running {
  readonly url: string
  readonly origin: string
  readonly cache: ReturnType<typeof createCache>
  readonly asked: IncomingMessage[]
}

async function start(
  site: (request: IncomingMessage, response: ServerResponse, count: number) => void,
  { store = new MemoryStore(), ...options }: Partial<ProxyOptions> & { store?: Store } = {},
): Promise<Running> {
  const asked: IncomingMessage[] = []
  const listener: RequestListener = (request, response) => {
    asked.push(request)
    site(request, response, asked.length)
  }
  const origin = await serve(listener)
  const cache = createCache({ store })
  const proxy = createProxy({ cache, origin, hosts: 'any', ...options })
  onTestFinished(() => proxy.close())
  return { url: await serve(proxy.handle), origin, cache, asked }
}

const fresh = { 'Cache-Control': 'max-age=60' }

function diskStore(): Store {
  const directory = mkdtempSync(`${tmpdir()}/pagekeep-proxy-`)
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return new DiskStore({ directory })
}

describe('createProxy()', () => {
  it.each([
    ['memory', () => new MemoryStore()],
    ['disk', diskStore],
  ])('lets a purge win that arrives during the answer of the site (%s)', async (_, makeStore) => {
    let began: () => void = () => undefined
    const isUnderWay = new Promise<void>((resolve) => {
      began = resolve
    })
    let finish: () => void = () => undefined
    const { url, cache } = await start(
      (_request, response, count) => {
        response.writeHead(200, fresh)
        if (count > 1) return response.end('new')
        response.write('o')
        finish = () => response.end('ld')
        began()
      },
      { store: makeStore() },
    )
    const first = get(`${url}/a/`)
    await isUnderWay
    await cache.evict('a/index.html')
    finish()
    expect(await first).toMatchObject({
      body: 'old',
      headers: { 'cache-status': 'pagekeep; fwd=uri-miss; stored=?0; detail=doomed' },
    })
    expect((await get(`${url}/a/`)).body).toBe('new')
    expect((await get(`${url}/a/`)).headers['cache-status']).toMatch(/^pagekeep; hit/)
  })

  it('hands on requests that pass the cache by, bodies and all', async () => {
    const { url, asked } = await start(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.setHeader('X-Method', request.method ?? '')
      response.end(`${request.url} ${body}`)
    })
    const got = await get(`${url}/form?x=1`, {
      method: 'PUT',
      body: 'the body',
      headers: { 'x-own': '1', host: 'site.example' },
    })
    expect(got).toMatchObject({
      body: '/form?x=1 the body',
      headers: { 'x-method': 'PUT', 'cache-status': 'pagekeep; fwd=method' },
    })
    expect(asked[0]?.headers).toMatchObject({
      'x-own': '1',
      host: 'site.example',
      via: '1.1 pagekeep',
      'x-forwarded-for': '127.0.0.1',
    })
  })

  it('sends the site’s own host when told to', async () => {
    const { url, origin, asked } = await start((_request, response) => response.end('x'), { host: 'origin' })
    await get(`${url}/`, { headers: { host: 'visitor.example' } })
    expect(asked[0]?.headers.host).toBe(new URL(origin).host)
  })

  it('evicts what a request changed: its page with all variants, and what Location and Content-Location name', async () => {
    const { url, asked } = await start((request, response) => {
      if (request.method === 'POST') {
        response.writeHead(201, { Location: '/b/', 'Content-Location': 'http://elsewhere.example/c/' }).end()
      } else {
        response.writeHead(200, fresh).end('page')
      }
    })
    const pages = ['/a/', '/a/?page=2', '/b/', '/c/']
    for (const page of pages) await get(`${url}${page}`)
    await get(`${url}/a/`, { method: 'POST', body: 'x' })
    asked.length = 0
    for (const page of pages) await get(`${url}${page}`)
    expect(asked.map((request) => request.url)).toEqual(['/a/', '/a/?page=2', '/b/'])
  })

  it('leaves a page alone when the request that was to change it failed', async () => {
    const { url } = await start((request, response) => {
      response.writeHead(request.method === 'POST' ? 500 : 200, fresh).end('page')
    })
    await get(`${url}/`)
    await get(`${url}/`, { method: 'POST' })
    expect((await get(`${url}/`)).headers['cache-status']).toMatch(/^pagekeep; hit/)
  })

  it('hands on interim responses and keeps none of them', async () => {
    const { url } = await start((_request, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style', 'x-hint': '1' })
      response.writeHead(200, fresh).end('page')
    })
    const first = await get(`${url}/`)
    expect(first.interim.map(({ status }) => status)).toEqual([102, 103])
    expect(first.interim[1]?.headers).toMatchObject({ link: '</a.css>; rel=preload; as=style', 'x-hint': '1' })
    const second = await get(`${url}/`)
    expect([second.interim, second.headers['x-hint'], second.body]).toEqual([[], undefined, 'page'])
  })

  it('drops the fields of a connection, and those that Connection names', async () => {
    const { url } = await start((_request, response) => {
      response
        .writeHead(200, { ...fresh, Connection: 'close, x-hop', 'X-Hop': '1', 'Keep-Alive': 'timeout=9', 'X-End': '2' })
        .end('page')
    })
    for (const _ of [1, 2]) {
      const { headers } = await get(`${url}/`)
      expect([headers['x-hop'], headers['x-end']]).toEqual([undefined, '2'])
    }
  })

  it('streams what is too long to be kept, to everybody who waited too', async () => {
    const long = 'x'.repeat(300_000)
    const { url, asked } = await start((_request, response) => response.writeHead(200, fresh).end(long), {
      maxBodyBytes: 1000,
    })
    const got = await Promise.all([get(`${url}/`), get(`${url}/`)])
    expect(got.map(({ body }) => body.length)).toEqual([long.length, long.length])
    expect(asked.length).toBe(2)
  })

  it('answers 502 when the site is not there, and 504 when it is too slow', async () => {
    const errors: unknown[] = []
    const gone = createProxy({
      cache: createCache({ store: new MemoryStore() }),
      origin: 'http://127.0.0.1:1',
      hosts: 'any',
      onError: (error) => errors.push(error),
    })
    expect(await get(`${await serve(gone.handle)}/`)).toMatchObject({
      status: 502,
      headers: { 'cache-control': 'no-store' },
    })
    expect(errors.length).toBe(1)
    const slow = await start(() => undefined, { originTimeoutMs: 20 })
    expect((await get(`${slow.url}/`)).status).toBe(504)
    expect((await get(`${slow.url}/`, { method: 'POST' })).status).toBe(504)
  })

  it('asks again when the site had closed the connection that it used', async () => {
    const requests: number[] = []
    const site = createTcpServer((socket) => {
      let onThisConnection = 0
      socket.on('error', () => undefined)
      socket.on('data', () => {
        onThisConnection++
        requests.push(onThisConnection)
        if (onThisConnection > 1) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok')
      })
    }).listen(0, '127.0.0.1')
    await once(site, 'listening')
    onTestFinished(() => {
      site.close()
    })
    const { port } = site.address() as AddressInfo
    const cache = createCache({ store: new MemoryStore() })
    const proxy = createProxy({ cache, origin: `http://127.0.0.1:${port}`, hosts: 'any' })
    onTestFinished(() => proxy.close())
    const url = await serve(proxy.handle)
    expect([(await get(`${url}/`)).body, (await get(`${url}/`)).body]).toEqual(['ok', 'ok'])
    // The connection idles for a second at most; should the machine have been slower, a new one was used at once.
    expect([
      [1, 2, 1],
      [1, 1],
    ]).toContainEqual(requests)
  })

  it('keeps nothing of an answer that breaks off', async () => {
    const { url } = await start((_request, response, count) => {
      response.writeHead(200, { ...fresh, 'Content-Length': '4' })
      if (count > 1) response.end('full')
      else response.write('fu', () => response.destroy())
    })
    expect((await get(`${url}/`)).status).toBe(502)
    expect((await get(`${url}/`)).body).toBe('full')
  })

  it('shows a stale page while a new one is fetched, not beyond the time that the page allows, and never an evicted one', async () => {
    const { url, cache, asked } = await start((_request, response, count) => {
      response.writeHead(200, { 'Cache-Control': 'max-age=0, stale-while-revalidate=60' }).end(`${count}`)
    })
    expect((await get(`${url}/`)).body).toBe('1')
    expect((await get(`${url}/`)).body).toBe('1')
    await expect.poll(() => asked.length).toBeGreaterThan(1)
    await expect.poll(async () => (await get(`${url}/`)).body).not.toBe('1')
    await cache.evict('**')
    const before = asked.length
    expect(Number((await get(`${url}/`)).body)).toBeGreaterThan(before)
  })

  it.each(['', 'ftp://x', 'localhost:80'])('refuses the origin %j', (origin) => {
    expect(() => createProxy({ cache: createCache({ store: new MemoryStore() }), origin, hosts: 'any' })).toThrow(
      TypeError,
    )
  })
})
