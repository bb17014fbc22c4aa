/**
 * A reverse proxy that keeps pages: the site is another server, and its own words (RFC 9111, RFC 9213) decide what is
 * kept. Useful by itself in front of a site that is not written in JavaScript.
 *
 * Requests that pass the cache by are handed on as they came, bodies included, with `X-Forwarded-For`. Answers longer than `maxBodyBytes` are
 * streamed to who asked, and not kept.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import { pipeline } from 'node:stream'
import { HttpCache } from './http-cache.js'
import { endToEnd, type Field, type Fields, fieldOf, type OriginCall, type OriginResponse, without } from './message.js'
import { grouped, pairsOf, readNodeRequest, sendNodeReply } from './node-message.js'
import type { HttpCacheOptions } from './settings.js'
import { fieldsForAll, visitorsOwn } from './site-request.js'

export interface ProxyOptions extends Omit<HttpCacheOptions, 'plain'> {
  /** The site: `http://127.0.0.1:8080`. A path in it is ignored. */
  readonly origin: string
  /** How long the site may take to begin its answer, in milliseconds; then 504. Default 60 000. */
  readonly originTimeoutMs?: number
  /** What the site is told as `Host`: the visitor's (`'keep'`, the default) or its own (`'origin'`). */
  readonly host?: 'keep' | 'origin'
  /** Told of what went wrong between the proxy and the site. Default: nobody. */
  readonly onError?: (error: unknown) => void
}

export interface Proxy {
  /** For `http.createServer(proxy.handle)`. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** Ends the connections to the site. */
  close(): void
}

/** Fields of the visitor's that would make the answer one for this visitor only. */
const personal = new Set([...visitorsOwn, 'cache-control', 'pragma', 'content-length', 'expect'])

/**
 * Makes the proxy. Unless told otherwise it obeys `stale-while-revalidate` and `stale-if-error`, uses heuristic
 * freshness, varies by any field, takes the whole query as part of the key, and compresses nothing. Throws a
 * `TypeError` for an origin that is no URL.
 *
 * @example
 * const proxy = createProxy({ cache, origin: 'http://127.0.0.1:8080', hosts: ['www.example.org'] })
 * createServer(proxy.handle).listen(80)
 */
export function createProxy(options: ProxyOptions): Proxy {
  const { origin, originTimeoutMs = 60_000, host = 'keep', onError, ...rest } = options
  const site = siteOf(origin)
  const pages = new HttpCache({
    unsaid: 'heuristic',
    staleDirectives: true,
    vary: 'any',
    query: 'all',
    authorization: 'share',
    codings: [],
    ...rest,
  })
  // The site may close an idle connection just as it is used again: none idles for long.
  const idle = { keepAlive: true, timeout: 1000 }
  const agent = site.isSecure ? new TlsAgent(idle) : new Agent(idle)
  const ask = (method: string, url: string, fields: Fields): ClientRequest => {
    // RFC 9110, 7.6.3.
    const via = [...fields, ['Via', `1.1 ${pages.settings.name}`] as const]
    const named = host === 'keep' ? via : [...without(via, new Set(['host'])), ['Host', site.host] as const]
    const send = site.isSecure ? requestHttps : requestHttp
    return send({
      host: site.hostname,
      port: site.port,
      method,
      path: url,
      agent,
      timeout: originTimeoutMs,
      headers: grouped(named),
    })
  }

  const fetchPage = async (
    request: IncomingMessage,
    response: ServerResponse,
    call: OriginCall,
  ): Promise<OriginResponse | 'passed'> => {
    const fields: Field[] = without(endToEnd(pairsOf(request.rawHeaders)), personal)
    const { targets, name } = pages.settings
    if (targets.includes('Surrogate-Control')) fields.push(['Surrogate-Capability', `${name}="Surrogate/1.0"`])
    fields.push(...fieldsForAll(call))
    const answer = await sendTwice(() => {
      const outgoing = ask('GET', call.url, fields)
      passInterim(outgoing, response)
      return send(outgoing)
    })
    const collected = await collect(answer, pages.settings.maxBodyBytes)
    if (collected.isWhole) return { ...headOf(answer), body: collected.bytes }
    writeHead(response, headOf(answer), `${pages.settings.name}; fwd=uri-miss; stored=?0; detail=long`)
    response.write(collected.bytes)
    pipeline(answer, response, ignored)
    return 'passed'
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const page = readNodeRequest(request)
    const reply = await pages.respondNow(page, (call) => fetchPage(request, response, call))
    if (reply.kind === 'passed') return
    if (reply.kind === 'page') return sendNodeReply(response, reply)
    const outgoing = ask(page.method, page.url, forwarded(request))
    response.on('close', () => response.writableFinished || outgoing.destroy())
    passInterim(outgoing, response)
    const answer = await send(outgoing, request)
    const head = headOf(answer)
    await reply.afterwards?.(head.status, head.headers).catch((thrown) => onError?.(thrown))
    writeHead(response, head, reply.cacheStatus)
    pipeline(answer, response, ignored)
  }

  return {
    handle: (request, response) => {
      handle(request, response).catch((thrown) => {
        onError?.(thrown)
        fail(response, thrown, pages.settings.name)
      })
    },
    close: () => agent.destroy(),
  }
}

/** The fields of a request for this visitor, with the visitor's address. */
function forwarded(request: IncomingMessage): Field[] {
  const fields = endToEnd(pairsOf(request.rawHeaders))
  const before = fieldOf(fields, 'x-forwarded-for')
  const address = request.socket.remoteAddress ?? 'unknown'
  const chain = before === undefined ? address : `${before}, ${address}`
  return [...without(fields, new Set(['x-forwarded-for'])), ['X-Forwarded-For', chain]]
}

/** What breaks off is closed on both sides; there is nobody left to tell. */
const ignored = () => undefined

/** Sends a request, with the visitor's body if there is one, and resolves with the head of the answer. */
function send(outgoing: ClientRequest, body?: IncomingMessage): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.on('response', resolve)
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const isReused = outgoing.reusedSocket && error.code === 'ECONNRESET'
      reject(isReused ? new ReusedConnection(undefined, { cause: error }) : error)
    })
    outgoing.on('timeout', () => outgoing.destroy(new OriginTimeout()))
    if (body === undefined) outgoing.end()
    else pipeline(body, outgoing, ignored)
  })
}

/** Hands on what the site says before its answer (102, 103); none of it is kept. */
function passInterim(outgoing: ClientRequest, response: ServerResponse): void {
  outgoing.on('information', ({ statusCode, rawHeaders }) => {
    if (response.headersSent || response.destroyed) return
    if (statusCode === 102) response.writeProcessing()
    const fields = endToEnd(pairsOf(rawHeaders))
    const link = fieldOf(fields, 'link')
    // Node writes a `link` of its own spelling, beside any other.
    const hints = grouped(without(fields, new Set(['link'])))
    if (statusCode === 103 && link !== undefined) response.writeEarlyHints({ ...hints, link })
  })
}

/** Sends a GET again when a connection that had been used before broke off: the site had closed it (RFC 9110, 9.2.2). */
async function sendTwice(attempt: () => Promise<IncomingMessage>): Promise<IncomingMessage> {
  try {
    return await attempt()
  } catch (thrown) {
    if (!(thrown instanceof ReusedConnection)) throw thrown
    return attempt()
  }
}

class ReusedConnection extends Error {
  override readonly message = 'The site had closed the connection.'
}

class OriginTimeout extends Error {
  override readonly message = 'The site did not answer in time.'
}

/** The whole body, or as much of it as shows that it is too long. */
async function collect(answer: IncomingMessage, maxBytes: number): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBytes) return { bytes: Buffer.concat(chunks), isWhole: false }
  }
  return { bytes: Buffer.concat(chunks), isWhole: true }
}

function headOf(answer: IncomingMessage): { status: number; headers: Field[] } {
  return { status: answer.statusCode ?? 502, headers: pairsOf(answer.rawHeaders) }
}

function writeHead(response: ServerResponse, head: { status: number; headers: Fields }, cacheStatus: string): void {
  response.statusCode = head.status
  for (const [name, value] of Object.entries(grouped(endToEnd(head.headers)))) response.setHeader(name, value)
  response.appendHeader('Cache-Status', cacheStatus)
}

/** The site has failed: 502 when it is not there, 504 when it is too slow. */
function fail(response: ServerResponse, thrown: unknown, name: string): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const status = thrown instanceof OriginTimeout ? 504 : 502
  response.statusCode = status
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Cache-Status', `${name}; fwd=miss; stored=?0; detail=origin`)
  response.end(status === 504 ? 'The site did not answer in time.\n' : 'The site does not answer.\n')
}

function siteOf(origin: string) {
  let url: URL
  try {
    url = new URL(origin)
  } catch {
    throw new TypeError(`Expected origin to be a URL such as "http://127.0.0.1:8080", got ${JSON.stringify(origin)}`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`Expected origin to be a URL of http or https, got ${JSON.stringify(origin)}`)
  }
  const isSecure = url.protocol === 'https:'
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  return { isSecure, host: url.host, hostname, port: url.port || (isSecure ? 443 : 80) }
}
