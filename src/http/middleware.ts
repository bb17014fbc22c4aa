/**
 * Pages of a server of node:http, Express or Connect, as middleware: a page that is kept is answered, and the
 * handlers behind it are not called; what they answer otherwise is kept if it may be.
 *
 * While a page is made for others too, handlers see a GET without the visitor's conditions, range and codings, and
 * without the query parameters and cookies that make no difference. Fields that middleware set earlier (a request's id,
 * security headers) are this visitor's: they are sent, and not kept.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPagekeepError } from '../core/errors.js'
import type { RenderContext } from '../core/render-context.js'
import { CapturedResponse } from './captured-response.js'
import type { HttpCache } from './http-cache.js'
import { type OriginCall, type OriginResponse, type PageRequest, type Reply, Unanswered } from './message.js'
import { fieldsOf, sendNodeReply } from './node-message.js'
import { fieldsForAll, visitorsOwn } from './site-request.js'

export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

const contexts = new WeakMap<IncomingMessage, RenderContext>()

/**
 * Where a handler says what its page depends on: `pageContext(request)?.tag('port:1')`. `undefined` while a request
 * passes the cache by. Fields `Surrogate-Key` and `Cache-Tag` of the response say the same.
 */
export function pageContext(request: IncomingMessage): RenderContext | undefined {
  return contexts.get(request)
}

/**
 * @example
 * const pages = new HttpCache({ cache, hosts: ['www.example.org'] })
 * app.use(createMiddleware(pages))
 */
export function createMiddleware(pages: HttpCache): Middleware {
  return (request, response, next) => answer(pages, request, response, next)
}

/** What a framework does differently. */
export interface MiddlewareParts {
  /** Called before this layer answers by itself. */
  readonly taken?: () => void
  /** Whether a HEAD can be made a GET for the handlers. */
  readonly canGet?: boolean
  /** Called with what the site threw, or a limit of the cache. */
  readonly broke?: (response: ServerResponse, thrown: unknown) => void
}

/** Answers `request`, or hands it to `next`: at once, where the page is at hand or the request passes the cache by. */
export function answer(
  pages: HttpCache,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
  { taken, canGet = true, broke = failed }: MiddlewareParts = {},
): void {
  const page: { -readonly [Name in keyof PageRequest]: PageRequest[Name] } = readRequest(request)
  let capture: CapturedResponse | undefined
  const origin = async (call: OriginCall): Promise<OriginResponse | 'passed'> => {
    if (page.method === 'HEAD' && !canGet) throw new Unanswered('A HEAD makes no page here')
    capture = new CapturedResponse(response, pages.settings.maxBodyBytes, () => {
      response.setHeader('Cache-Status', `${pages.settings.name}; fwd=uri-miss; stored=?0; detail=long`)
    })
    const answered = capture.answer()
    // A copy, since the request's are changed while its page is made.
    page.headers = { ...request.headers }
    const undo = askForAll(request, call)
    try {
      next()
      return await answered
    } finally {
      undo()
    }
  }
  const settle = (reply: Reply): void => {
    if (reply.kind === 'passed') return
    capture?.release()
    if (reply.kind === 'page') {
      taken?.()
      sendNodeReply(response, reply)
      return
    }
    response.setHeader('Cache-Status', reply.cacheStatus)
    if (reply.afterwards !== undefined) delayEnd(response, reply.afterwards)
    next()
  }
  const settleLater = async (coming: Promise<Reply>): Promise<void> => {
    let reply: Reply
    try {
      reply = await coming
    } catch (thrown) {
      capture?.release()
      if (!(thrown instanceof Unanswered) || capture !== undefined) throw thrown
      return next()
    }
    settle(reply)
  }
  const deliver = (reply: Reply | Promise<Reply>): void => {
    try {
      if (reply instanceof Promise) settleLater(reply).catch((thrown) => broke(response, thrown))
      else settle(reply)
    } catch (thrown) {
      broke(response, thrown)
    }
  }
  try {
    pages.respondSoon(page, origin, deliver, attended)
  } catch (thrown) {
    broke(response, thrown)
  }
}

/** Handlers write into the response that the reply goes to. */
const attended = { mayOutlive: false }

/** With the URL that the visitor asked for. */
function readRequest(request: IncomingMessage & { originalUrl?: string }): PageRequest {
  const url = request.originalUrl ?? request.url ?? '/'
  return { method: request.method ?? 'GET', url, headers: request.headers }
}

/** Makes `request` ask for the whole page; returns what undoes that. */
function askForAll(request: IncomingMessage, call: OriginCall): () => void {
  const { method, url, headers } = request
  const kept = new Map<string, string | string[] | undefined>(visitorsOwn.map((name) => [name, headers[name]]))
  for (const name of visitorsOwn) delete headers[name]
  for (const [name, value] of fieldsForAll(call)) headers[name.toLowerCase()] = value
  request.method = 'GET'
  // A router may have cut the path; the query is what may have to change.
  const query = call.url.indexOf('?')
  request.url = `${(url ?? '/').split('?')[0]}${query === -1 ? '' : call.url.slice(query)}`
  contexts.set(request, call.context)
  return () => {
    contexts.delete(request)
    for (const name of visitorsOwn) {
      const value = kept.get(name)
      if (value === undefined) delete headers[name]
      else headers[name] = value
    }
    if (method !== undefined) request.method = method
    if (url !== undefined) request.url = url
  }
}

/** Keeps the end of the answer back until what it made invalid is evicted, so that who changed a page sees the change. */
function delayEnd(response: ServerResponse, afterwards: (Reply & { kind: 'pass' })['afterwards']): void {
  const { end } = response
  response.end = ((...args: unknown[]) => {
    response.end = end
    const finish = () => Reflect.apply(end, response, args)
    const done = afterwards?.(response.statusCode, fieldsOf(response.getHeaders())) ?? Promise.resolve()
    done.then(finish, (thrown) => {
      process.emitWarning(`Pages that a request changed may be stale: ${String(thrown)}`, 'PagekeepWarning')
      finish()
    })
    return response
  }) as typeof end
}

/** The site threw, or the cache's own limits were met. */
export function failed(response: ServerResponse, thrown: unknown): void {
  if (response.destroyed || thrown instanceof Unanswered) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const isFull = isPagekeepError(thrown, 'renders-full')
  response.statusCode = isFull ? 503 : isPagekeepError(thrown, 'render-timeout') ? 504 : 500
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  if (isFull) response.setHeader('Retry-After', '1')
  response.end(isFull ? 'Too many pages are being made. Try again.\n' : 'The page could not be made.\n')
  if (!isPagekeepError(thrown)) process.emitWarning(`A page could not be made: ${String(thrown)}`, 'PagekeepWarning')
}
