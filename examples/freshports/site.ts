/**
 * The web site: node:http, every page by `cache.answer`, and one form. What the cache needs to know of a
 * page is its key and how to render it; what makes it old is not in here.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { PageCache } from 'pagekeep'
import type pg from 'pg'
import { isCleared, makeCommit } from './commits.js'
import { withNote } from './html.js'
import { findPage, NotFound, renderFailure } from './pages.js'
import type { Print } from './processes.js'

export interface SiteOptions {
  readonly cache: PageCache
  readonly db: pg.Pool
  readonly print: Print
  /** `0` takes a free one. */
  readonly port: number
  /** How long the form waits for old pages to go before it leads back to one, in milliseconds. Default 1000. */
  readonly commitWaitMs?: number
}

export interface Site {
  /** `http://127.0.0.1:8080` */
  readonly origin: string
  close(): Promise<void>
}

const maxFormBytes = 4096

/** Starts the site on the loopback. Rejects when the port is taken (`EADDRINUSE`). */
export async function startSite(options: SiteOptions): Promise<Site> {
  const server = createServer((request, response) => {
    respond(options, request, response).catch((thrown: Error) => {
      options.print(`failed    ${request.method} ${request.url}: ${reason(thrown)}`)
      if (response.headersSent) return response.destroy()
      const advice = 'The database does not answer as it should. Kept pages are served all the same.'
      send(response, 503, renderFailure('Not available', advice))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

async function respond(options: SiteOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const address = URL.canParse(`http://localhost${request.url}`) ? new URL(`http://localhost${request.url}`) : undefined
  if (address === undefined) return send(response, 400, renderFailure('Bad request', 'That is no address.'))
  const isForm = address.pathname === '/commit'
  const methods = isForm ? ['POST'] : ['GET', 'HEAD']
  if (!methods.includes(request.method ?? '')) {
    response.setHeader('allow', methods.join(', '))
    return send(response, 405, renderFailure('Method not allowed', `This address takes ${methods.join(' and ')}.`))
  }
  await (isForm ? takeCommit(options, request, response) : showPage(options, address, response))
}

async function showPage({ cache, db }: SiteOptions, address: URL, response: ServerResponse): Promise<void> {
  const page = findPage(address)
  try {
    if (page === undefined) throw new NotFound()
    const { body, status, isKept } = await cache.answer(page.key, () => page.render(db))
    response.setHeader('x-cache', status)
    response.setHeader('x-cache-key', page.key)
    send(response, 200, withNote(body, describe(status, isKept)))
  } catch (thrown) {
    if (!(thrown instanceof NotFound)) throw thrown
    send(response, 404, renderFailure('Not found', 'There is no such page, or no commit on that day.'))
  }
}

function describe(status: string, isKept: boolean): string {
  if (status === 'hit') return ' and kept since: this answer came from the cache'
  const how = status === 'joined' ? 'once for several visitors at the same time' : 'for this answer'
  return ` ${how}${isKept ? ', and kept' : ', and not kept'}`
}

/** Makes the commit, and leads back to the page that the form was on, which by then is rendered anew. */
async function takeCommit(options: SiteOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, advice: string) => send(response, status, renderFailure('No commit was made', advice))
  const { origin, host } = request.headers
  // A page of another site that is open in the same browser can send forms here.
  if (origin !== undefined && origin !== `http://${host}`) return refuse(403, 'The form came from another site.')
  const form = await readForm(request)
  if (form === undefined) return refuse(413, 'The form is too long.')
  const field = (name: string) => form.get(name)?.trim() ?? ''
  const [port, description, day, back] = [field('port'), field('description'), field('day'), field('back')]
  const isDay = day === '' || findPage(new URL(`http://localhost/date/${day.replaceAll('-', '/')}`)) !== undefined
  const isText = description !== '' && description.length <= 500 && !description.includes('\u0000')
  const isPort = findPage(new URL(`http://localhost/ports/${port}`)) !== undefined
  if (!isPort || !isText || !isDay) return refuse(400, 'It needs a port such as devel/git and a description.')
  const madeOn = await makeCommit(options.db, { port, description, ...(day !== '' && { day }) })
  if (madeOn === undefined) return refuse(404, `There is no port ${port}.`)
  await untilCleared(options, port, madeOn)
  response.setHeader('location', /^\/(?![/\\])[\x21-\x7e]*$/.test(back) ? back : '/')
  send(response, 303, renderFailure('Committed', `${port}: ${description}`))
}

/** Visitors shall see their own commit. When the listener is away the page stays old until it is back. */
async function untilCleared({ db, commitWaitMs = 1000 }: SiteOptions, port: string, day: string): Promise<void> {
  const deadline = Date.now() + commitWaitMs
  while (Date.now() < deadline && !(await isCleared(db, port, day))) await delay(10)
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > maxFormBytes) return undefined
  }
  return new URLSearchParams(text)
}

/** Node tries several addresses and says nothing itself when none of them answers. */
function reason(thrown: Error): string {
  return thrown instanceof AggregateError ? thrown.errors.map(String).join(', ') : thrown.message
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'",
    // The copy kept here can be evicted, a browser's cannot.
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  // Node leaves the body out of the answer to a HEAD.
  response.end(body)
}
