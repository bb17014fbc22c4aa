/**
 * Pages of a handler of the web's own kind, `Request` in and `Response` out: Hono, Bun, Deno, and whatever else speaks
 * so; and a middleware for Hono, whose handlers stand behind it.
 */
import { Readable } from 'node:stream'
import type { RenderContext } from '../core/render-context.js'
import type { HttpCache } from './http-cache.js'
import type { Field, OriginCall, OriginResponse, PageRequest, Reply } from './message.js'
import { fieldsForAll, visitorsOwn } from './site-request.js'

/** `context` says what the page depends on; it is not there while a request passes the cache by. */
export type WebHandler = (request: Request, context?: RenderContext) => Response | Promise<Response>

/**
 * @example
 * const pages = new HttpCache({ cache: createCache({ store: new MemoryStore() }), hosts: 'any' })
 * const handle = createWebHandler(pages, () => new Response('<h1>Hello</h1>'))
 * const response = await handle(new Request('http://localhost/'))
 * await response.text() // => '<h1>Hello</h1>'
 */
export function createWebHandler(pages: HttpCache, handler: WebHandler): (request: Request) => Promise<Response> {
  return async (request) => {
    let passed: Response | undefined
    const origin = async (call: OriginCall): Promise<OriginResponse | 'passed'> => {
      const response = await handler(askForAll(request, call), call.context)
      const collected = await collect(response, pages.settings.maxBodyBytes)
      if ('status' in collected) return collected
      passed = withStatus(response, `${pages.settings.name}; fwd=uri-miss; stored=?0; detail=long`, collected.stream)
      return 'passed'
    }
    const reply = await pages.respond(readWebRequest(request), origin)
    if (reply.kind === 'page') return toResponse(reply)
    // A page too long to be kept that was made for others' sake comes without a reply of its own.
    if (reply.kind === 'passed') return passed ?? handler(request)
    const response = await handler(request)
    await reply.afterwards?.(response.status, [...response.headers])
    return withStatus(response, reply.cacheStatus, response.body)
  }
}

/** As much of Hono's context as is used here. */
interface HonoContext {
  readonly req: { raw: Request }
  res: Response | undefined
}

/** `app.use(createHonoMiddleware(pages))`; handlers reach the render's context by `pageContextOf(c.req.raw)`. */
export function createHonoMiddleware(pages: HttpCache) {
  return async (c: HonoContext, next: () => Promise<void>): Promise<Response | undefined> => {
    const original = c.req.raw
    const handle = createWebHandler(pages, async (request, context) => {
      c.req.raw = request
      if (context !== undefined) contexts.set(request, context)
      await next()
      const response = c.res ?? new Response(null, { status: 404 })
      // Hono would add the fields of a response that is there already to the one that takes its place.
      c.res = undefined
      return response
    })
    const response = await handle(original)
    c.req.raw = original
    c.res = response
    return undefined
  }
}

const contexts = new WeakMap<Request, RenderContext>()

/** As `pageContext`, for handlers of Hono. */
export function pageContextOf(request: Request): RenderContext | undefined {
  return contexts.get(request)
}

function readWebRequest(request: Request): PageRequest {
  const { pathname, search, host } = new URL(request.url)
  return {
    method: request.method,
    url: `${pathname}${search}`,
    headers: { host, ...Object.fromEntries(request.headers) },
  }
}

function askForAll(request: Request, call: OriginCall): Request {
  const headers = new Headers(request.headers)
  for (const name of visitorsOwn) headers.delete(name)
  for (const [name, value] of fieldsForAll(call)) headers.set(name, value)
  return new Request(new URL(call.url, request.url), { method: 'GET', headers, redirect: 'manual' })
}

/** The whole of a response, or its body as a stream again when it is too long. */
async function collect(
  response: Response,
  maxBytes: number,
): Promise<OriginResponse | { stream: ReadableStream<Uint8Array> }> {
  const head = { status: response.status, headers: [...response.headers] as Field[] }
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader()
  if (reader === undefined) return { ...head, body: new Uint8Array() }
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return { ...head, body: Buffer.concat(chunks) }
    chunks.push(value)
    size += value.byteLength
    if (size > maxBytes) return { stream: resumed(chunks, reader) }
  }
}

function resumed(chunks: Uint8Array[], reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift() ?? (await reader.read()).value
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

function toResponse(reply: Reply & { kind: 'page' }): Response {
  const headers = new Headers()
  for (const [name, value] of reply.headers) headers.append(name, value)
  return new Response(webBody(reply.body) ?? null, { status: reply.status, headers })
}

function webBody(body: (Reply & { kind: 'page' })['body']) {
  if (body instanceof Readable) return Readable.toWeb(body) as ReadableStream<Uint8Array>
  return body as string | Uint8Array<ArrayBuffer> | undefined
}

function withStatus(response: Response, cacheStatus: string, body: ReadableStream | null): Response {
  const headers = new Headers(response.headers)
  headers.append('Cache-Status', cacheStatus)
  return new Response(body, { status: response.status, statusText: response.statusText, headers })
}
