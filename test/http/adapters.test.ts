import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { createCache, type PageCache } from 'pagekeep'
import {
  createFastifyPlugin,
  createHonoMiddleware,
  createMiddleware,
  createWebHandler,
  HttpCache,
  type HttpCacheOptions,
  pageContext,
  pageContextOf,
} from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openFiles } from '../support/open-files.js'
import { get, serve } from './serve.js'

/** What a test's site answers, whatever it is written with. */
interface Answer {
  status?: number
  headers?: Record<string, string>
  body?: string
  tag?: string
  /** Sends the body as a stream. */
  isStream?: boolean
}

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, unknown>
}

interface Running {
  readonly url: string
  readonly cache: PageCache
  readonly store: MemoryStore
  readonly seen: Seen[]
}

type Start = (respond: (seen: Seen) => Answer, options?: Partial<HttpCacheOptions>) => Promise<Running>

function setUp(options: Partial<HttpCacheOptions> = {}) {
  const store = new MemoryStore()
  const cache = createCache({ store })
  return { store, cache, pages: new HttpCache({ cache, hosts: 'any', ...options }), seen: [] as Seen[] }
}

const startNode: Start = async (respond, options) => {
  const { pages, seen, ...rest } = setUp(options)
  const middleware = createMiddleware(pages)
  const url = await serve((request, response) => {
    response.setHeader('X-Request-Id', 'of this visitor')
    middleware(request, response, () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: { ...request.headers } })
      const { status = 200, headers = {}, body = '', tag, isStream } = respond(seen.at(-1) as Seen)
      if (tag !== undefined) pageContext(request)?.tag(tag)
      response.writeHead(status, { 'Content-Type': 'text/html', ...headers })
      if (isStream) Readable.from(body.match(/.{1,10}/g) ?? []).pipe(response)
      else response.end(body)
    })
  })
  return { url, seen, ...rest }
}

const startExpress: Start = async (respond, options) => {
  const { pages, seen, ...rest } = setUp(options)
  const app = express()
  app.use((_request, response, next) => {
    response.setHeader('X-Request-Id', 'of this visitor')
    next()
  })
  app.use(createMiddleware(pages))
  app.use((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: { ...request.headers } })
    const { status = 200, headers = {}, body = '', tag, isStream } = respond(seen.at(-1) as Seen)
    if (tag !== undefined) pageContext(request)?.tag(tag)
    response.status(status).type('html').set(headers)
    if (isStream) Readable.from(body.match(/.{1,10}/g) ?? []).pipe(response)
    else response.send(body)
  })
  return { url: await serve(app), seen, ...rest }
}

const startFastify: Start = async (respond, options) => {
  const { pages, seen, ...rest } = setUp(options)
  const app = fastify()
  app.addHook('onRequest', async (_request, reply) => {
    reply.raw.setHeader('X-Request-Id', 'of this visitor')
  })
  await app.register(createFastifyPlugin(pages))
  app.all('/*', (request, reply) => {
    seen.push({ method: request.method, url: request.raw.url ?? '', headers: { ...request.headers } })
    const { status = 200, headers = {}, body = '', tag, isStream } = respond(seen.at(-1) as Seen)
    if (tag !== undefined) pageContext(request.raw)?.tag(tag)
    reply.code(status).type('text/html').headers(headers)
    return reply.send(isStream ? Readable.from(body.match(/.{1,10}/g) ?? []) : body)
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => app.close())
  return { url, seen, ...rest }
}

const startHono: Start = async (respond, options) => {
  const { pages, seen, ...rest } = setUp(options)
  const app = new Hono()
  app.use(async (c, next) => {
    await next()
    c.header('X-Request-Id', 'of this visitor')
  })
  app.use(createHonoMiddleware(pages))
  app.all('*', (c) => {
    const { pathname, search } = new URL(c.req.raw.url)
    seen.push({ method: c.req.raw.method, url: `${pathname}${search}`, headers: c.req.header() })
    const { status = 200, headers = {}, body = '', tag } = respond(seen.at(-1) as Seen)
    if (tag !== undefined) pageContextOf(c.req.raw)?.tag(tag)
    return new Response(body === '' ? null : body, { status, headers: { 'Content-Type': 'text/html', ...headers } })
  })
  return { url: await serve(getRequestListener(app.fetch)), seen, ...rest }
}

const startWeb: Start = async (respond, options) => {
  const { pages, seen, ...rest } = setUp(options)
  const handle = createWebHandler(pages, (request, context) => {
    const { pathname, search } = new URL(request.url)
    seen.push({ method: request.method, url: `${pathname}${search}`, headers: Object.fromEntries(request.headers) })
    const { status = 200, headers = {}, body = '', tag } = respond(seen.at(-1) as Seen)
    if (tag !== undefined) context?.tag(tag)
    return new Response(body === '' ? null : body, { status, headers: { 'Content-Type': 'text/html', ...headers } })
  })
  const listener = getRequestListener(async (request) => {
    const response = await handle(request)
    response.headers.set('X-Request-Id', 'of this visitor')
    return response
  })
  return { url: await serve(listener), seen, ...rest }
}

const all: [string, Start][] = [
  ['node:http', startNode],
  ['Express', startExpress],
  ['Fastify', startFastify],
  ['Hono', startHono],
  ['Request and Response', startWeb],
]

describe.each(all)('%s', (name, start) => {
  it('answers a kept page with its status and fields, and the visitor’s own', async () => {
    const { url, seen } = await start(() => ({
      status: 404,
      headers: { 'Cache-Control': 'max-age=60', X: 'y' },
      body: 'none',
    }))
    const first = await get(`${url}/a/`)
    const second = await get(`${url}/a/`)
    expect(first).toMatchObject({
      status: 404,
      body: 'none',
      headers: { x: 'y', 'cache-status': 'pagekeep; fwd=uri-miss; stored' },
    })
    expect(second).toMatchObject({ status: 404, body: 'none', headers: { x: 'y', 'x-request-id': 'of this visitor' } })
    expect(second.headers['cache-status']).toMatch(/^pagekeep; hit; ttl=\d+$/)
    expect(second.headers['content-type']).toMatch(/^text\/html/)
    expect(seen.length).toBe(1)
  })

  it('shows its handlers a request for the whole page, and gives the visitor the part', async () => {
    const { url, seen } = await start(() => ({ headers: { ETag: '"a"' }, body: '0123456789' }))
    const asked = { 'if-none-match': '"b"', 'accept-encoding': 'gzip', range: 'bytes=2-3', 'if-range': '"a"' }
    expect(await get(`${url}/`, { headers: asked })).toMatchObject({ status: 206, body: '23' })
    for (const field of Object.keys(asked)) expect(seen[0]?.headers[field]).toBeUndefined()
    expect(await get(`${url}/`, { headers: { 'if-none-match': '"a"' } })).toMatchObject({ status: 304, body: '' })
  })

  it('answers HEAD of a kept page', async () => {
    const { url, seen } = await start(() => ({ body: '0123456789' }))
    await get(`${url}/`)
    const head = await get(`${url}/`, { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '10' } })
    expect(seen.length).toBe(1)
  })

  it('answers HEAD of a page that is not kept', async () => {
    const { url } = await start(() => ({ body: '0123456789' }))
    expect(await get(`${url}/`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
    expect(await get(`${url}/`)).toMatchObject({ status: 200, body: '0123456789' })
  })

  it('gives a page whose handler is asked by two the one render', async () => {
    const { url, seen } = await start(() => ({ body: 'page' }))
    const got = await Promise.all(Array.from({ length: 10 }, () => get(`${url}/`)))
    expect(got.map(({ body }) => body)).toEqual(Array(10).fill('page'))
    expect(seen.length).toBe(1)
  })

  it('keeps no answer with a cookie, and gives it to nobody else', async () => {
    const { url, seen, store } = await start(() => ({ headers: { 'Set-Cookie': `visitor=${seen.length}` }, body: 'x' }))
    const got = await Promise.all([get(`${url}/`), get(`${url}/`), get(`${url}/`)])
    expect(new Set(got.map(({ headers }) => String(headers['set-cookie']))).size).toBe(3)
    expect([seen.length, store.size]).toEqual([3, 0])
  })

  it('lets requests with a cookie pass, unchanged', async () => {
    const { url, seen, store } = await start(({ headers }) => ({ body: String(headers.cookie) }))
    const got = await get(`${url}/`, { headers: { cookie: 'session=1', range: 'bytes=0-0' } })
    expect(got).toMatchObject({ body: 'session=1', headers: { 'cache-status': 'pagekeep; fwd=bypass; detail=cookie' } })
    expect(seen[0]?.headers.range).toBe('bytes=0-0')
    expect(store.size).toBe(0)
  })

  it('shows its handlers no cookie that makes no difference while a page is made for all', async () => {
    const { url, seen, store } = await start(({ headers }) => ({ body: String(headers.cookie) }), {
      cookies: ['lang'],
      ignoredCookies: ['_ga*'],
    })
    const headers = { cookie: '_ga=visitor; lang=de' }
    expect((await get(`${url}/`, { headers })).body).toBe('lang=de')
    expect((await get(`${url}/`, { headers: { cookie: 'lang=de; _ga=other' } })).body).toBe('lang=de')
    expect([seen.length, store.size]).toEqual([1, 1])
  })

  it('evicts by what its handlers say a page depends on', async () => {
    const { url, cache, store } = await start(() => ({ tag: 'port:1', body: 'x' }))
    await get(`${url}/`)
    expect(store.size).toBe(1)
    await cache.evict({ tag: 'port:1' })
    expect(store.size).toBe(0)
  })

  it('evicts a page that a POST has changed, before the POST is answered', async () => {
    const { url, seen } = await start(() => ({ body: `${seen.length}` }))
    await get(`${url}/a/`)
    expect(
      (await get(`${url}/a/`, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } })).headers[
        'cache-status'
      ],
    ).toBe('pagekeep; fwd=method')
    expect((await get(`${url}/a/`)).body).toBe('3')
  })

  it('keeps a page whose render was overtaken by an eviction from nobody, and in no store', async () => {
    const { url, seen, cache, store } = await start(() => {
      if (seen.length === 1) void cache.evict('index.html')
      return { body: `${seen.length}` }
    })
    expect(await get(`${url}/`)).toMatchObject({
      body: '1',
      headers: { 'cache-status': 'pagekeep; fwd=uri-miss; stored=?0; detail=doomed' },
    })
    expect(store.size).toBe(0)
    expect((await get(`${url}/`)).body).toBe('2')
  })

  it('lets a page that is too long to be kept through', async () => {
    const long = 'x'.repeat(5000)
    const { url, seen, store } = await start(() => ({ body: long, isStream: true }), { maxBodyBytes: 1000 })
    const got = await Promise.all([get(`${url}/`), get(`${url}/`)])
    expect(got.map(({ body }) => body)).toEqual([long, long])
    expect([seen.length, store.size]).toEqual([2, 0])
    expect(String(got[0]?.headers['cache-status'])).toContain('pagekeep; fwd=')
  })

  it('sends a large page from the disk while it reads it: whole, in parts, and to visitors who leave', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
    const cache = createCache({ store: new DiskStore({ directory }) })
    onTestFinished(() => cache.close().then(() => rmSync(directory, { recursive: true })))
    const body = 'Wört 👍 '.repeat(200_000)
    const { url, seen } = await start(() => ({ body }), { cache, maxBodyBytes: 4 * 1024 * 1024 })
    const first = await get(`${url}/`)
    const hit = await get(`${url}/`)
    expect([first.body === body, hit.body === body]).toEqual([true, true])
    expect(hit.headers['cache-status']).toBe('pagekeep; hit')
    expect(hit.headers['content-length']).toBe(String(Buffer.byteLength(body)))
    const range = { range: 'bytes=1999999-2200000' }
    const part = await get(`${url}/`, { headers: range })
    expect(part.status).toBe(206)
    expect(part.body).toBe(Buffer.from(body).subarray(1_999_999, 2_200_001).toString())
    expect((await get(`${url}/`, { method: 'HEAD' })).headers['content-length']).toBe(hit.headers['content-length'])
    const headers = { 'if-none-match': String(hit.headers.etag) }
    expect(await get(`${url}/`, { headers })).toMatchObject({ status: 304, body: '' })
    for (let times = 0; times < 3; times++) await leave(`${url}/`)
    expect((await get(`${url}/`)).body === body).toBe(true)
    expect(seen.length).toBe(1)
    const held = () => openFiles(`${directory}/`).filter((file) => !file.includes('.pagekeep'))
    await vi.waitFor(() => expect(held()).toEqual([]), 5000)
  })

  it.skipIf(name === 'Fastify')('hides parameters that make no difference', async () => {
    const { url, seen } = await start(() => ({ body: 'x' }), { ignoredQuery: ['utm_source'], query: ['page'] })
    await get(`${url}/?utm_source=a&page=2`)
    await get(`${url}/?page=2&utm_source=b`)
    expect(seen.map(({ url: asked }) => asked)).toEqual(['/?page=2'])
  })
})

describe('createMiddleware()', () => {
  it('answers 500 for a handler that throws, and keeps nothing', async () => {
    const { pages, store } = setUp()
    const middleware = createMiddleware(pages)
    const warned = once(process, 'warning')
    const url = await serve((request, response) =>
      middleware(request, response, () => {
        response.setHeader('X-Half', 'done')
        throw new Error('broken handler')
      }),
    )
    const got = await get(`${url}/`)
    expect([got.status, got.headers['x-half'], store.size]).toEqual([500, undefined, 0])
    expect(String(await warned)).toContain('broken handler')
  })

  it('leaves an error of an Express handler to Express', async () => {
    const { pages, store } = setUp()
    const app = express()
    app.use(createMiddleware(pages))
    app.get('/', () => {
      throw new Error('broken handler')
    })
    const handleErrors: express.ErrorRequestHandler = (_error, _request, response, _next) => {
      response.status(503).send('sorry')
    }
    app.use(handleErrors)
    expect(await get(`${await serve(app)}/`)).toMatchObject({ status: 503, body: 'sorry' })
    expect(store.size).toBe(0)
  })

  it('makes a page again for those who waited for one whose visitor left', async () => {
    const { pages } = setUp()
    const middleware = createMiddleware(pages)
    let calls = 0
    let began: () => void = () => undefined
    const isUnderWay = new Promise<void>((resolve) => {
      began = resolve
    })
    const url = await serve((request, response) =>
      middleware(request, response, () => {
        calls++
        if (calls === 1) began()
        else response.end('made')
      }),
    )
    const leaving = new AbortController()
    const first = fetch(`${url}/`, { signal: leaving.signal }).catch(() => 'left')
    await isUnderWay
    const second = get(`${url}/`)
    // The second waits for the first by now, or comes too late to; both are right.
    await new Promise((resolve) => setImmediate(resolve))
    leaving.abort()
    expect(await first).toBe('left')
    expect((await second).body).toBe('made')
  })
})

/** Asks, and goes away when the answer begins. */
async function leave(url: string): Promise<void> {
  const outgoing = request(url, { agent: false }).end()
  const [response] = await once(outgoing, 'response')
  await once(response, 'data')
  outgoing.destroy()
}
