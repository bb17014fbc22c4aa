/** Hits as they go over a connection: behind other middleware, one after another, many at once, to who leaves or is slow. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import express from 'express'
import { createCache } from 'pagekeep'
import { createMiddleware, HttpCache, type HttpCacheOptions } from 'pagekeep/http'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, it, onTestFinished } from 'vitest'
import { get, serve } from './serve.js'

const body = `<h1>Grüße, 日本語</h1>${'0123456789'.repeat(1000)}`

/** What a site without a cache answers, but for the fields. */
function handle(request: IncomingMessage, response: ServerResponse): void {
  const page = request.method === 'POST' ? 'posted' : body
  const own = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(page), ETag: '"a"' }
  response.writeHead(200, own).end(page)
}

/** A site whose one page is kept already: the port it listens on. */
async function start(options: Partial<HttpCacheOptions> = {}): Promise<number> {
  const pages = new HttpCache({ cache: createCache({ store: new MemoryStore() }), hosts: 'any', ...options })
  const middleware = createMiddleware(pages)
  const url = await serve((request, response) => middleware(request, response, () => handle(request, response)))
  await get(url)
  return Number(new URL(url).port)
}

/** A connection, and all that has come over it when it is closed. */
function open(port: number) {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const all = async () => {
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  return { socket, all }
}

const asked = (method: string, fields = '') => `${method} / HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`

/** The answers in what came over a connection: status, and what follows the head; `page` for the whole page. */
function answersIn(text: string): string[] {
  return text.split(/(?=HTTP\/1\.1 \d)/).map((answer) => {
    const found = answer.slice(answer.indexOf('\r\n\r\n') + 4)
    return `${answer.slice(9, 12)} ${found === body ? 'page' : found.slice(0, 20)}`.trim()
  })
}

const last = asked('GET', 'Connection: close\r\n')

describe.each([
  ['with its fields', {}],
  ['as a plain file', { plain: true }],
] as const)('a page kept %s', (_, options) => {
  it('comes whole over one connection, in its turn between answers of other kinds', async () => {
    const { socket, all } = open(await start(options))
    const requests = [asked('GET'), asked('HEAD'), asked('GET', 'If-None-Match: "a"\r\n'), asked('GET')]
    const more = [asked('GET', 'Range: bytes=-10\r\n'), asked('POST', 'Content-Length: 0\r\n'), asked('GET'), last]
    socket.write([...requests, ...more].join(''))
    const expected = ['200 page', '200', '304', '200 page', '206 0123456789', '200 posted', '200 page', '200 page']
    // A plain file has the validators of its time, when its second is over.
    expect(answersIn(await all())).toEqual('plain' in options ? expected.with(2, '200 page') : expected)
  })

  it('comes whole to one who asks for much before reading any', async () => {
    const { socket, all } = open(await start(options))
    const times = 1000
    // All that the server may send without being read has been sent when it takes no more requests. Since Node 22 these
    // fit into what a socket takes at once, and then there is no moment to wait for.
    if (!socket.write(asked('GET').repeat(times - 1) + last)) await once(socket, 'drain')
    expect(answersIn(await all())).toEqual(Array(times).fill('200 page'))
  })

  it('comes to the next visitor, and over connections that were used before, when others have left', async () => {
    const port = await start(options)
    const stayed = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => stayed.destroy())
    const connections = new Set<unknown>()
    for (let visit = 0; visit < 5; visit++) {
      const { socket } = open(port)
      socket.write(asked('GET').repeat(20))
      await once(socket, 'data')
      socket.resetAndDestroy()
      const outgoing = request({ port, agent: stayed }).end()
      const [response] = await once(outgoing, 'response')
      connections.add(outgoing.socket)
      response.setEncoding('utf8')
      expect((await response.toArray()).join('')).toBe(body)
    }
    expect(connections.size).toBe(1)
  })
})

describe('behind Express and other middleware', () => {
  it('is sent with the fields that were set before, and all of its own', async () => {
    const app = express()
    app.use((_request, response, next) => {
      response.setHeader('X-Request-Id', 'of this visitor')
      next()
    })
    app.use(createMiddleware(new HttpCache({ cache: createCache({ store: new MemoryStore() }), hosts: 'any' })))
    app.get('/', (_request, response) => {
      response.append('Link', '</a>').append('Link', '</b>').send(body)
    })
    const url = await serve(app)
    await get(url)
    const fields = { link: '</a>, </b>', 'x-request-id': 'of this visitor', 'x-powered-by': 'Express' }
    expect(await get(url)).toMatchObject({ status: 200, body, headers: { ...fields, 'cache-status': 'pagekeep; hit' } })
  })
})
