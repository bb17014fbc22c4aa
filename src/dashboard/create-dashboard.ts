/**
 * The dashboard: one page that says at a glance whether the cache is right. It knows the cache, its observer and
 * the invalidator from outside, and no framework; everything it serves lies in memory.
 *
 * Protected or not started (access.ts); read-only unless `allowEvict`; a strict content security policy without
 * exceptions, so it works where nothing else can be loaded.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPagekeepError, reasonOf } from '../core/errors.js'
import type { EvictionReport } from '../core/eviction-report.js'
import { parseSelector, type SelectorInput } from '../core/selector.js'
import type { Store } from '../core/store.js'
import type { ObservedCache, ObservedInvalidator, Observer } from '../metrics/index.js'
import { Access, type AccessOptions, isOwnRequest } from './access.js'
import { type NodeReport, type Outside, readState } from './dashboard-state.js'
import { openEventStream } from './event-stream.js'
import { readBody, toRequest, writeAnswer } from './node-handler.js'
import { pageHtml, signInHtml } from './page/html.js'
import { script } from './page/script.js'
import { style } from './page/style.js'
import { findPages, type Listing, listTree, type SizeOf } from './page-tree.js'
import { Recorder } from './recorder.js'

export interface DashboardOptions extends AccessOptions<IncomingMessage | Request> {
  readonly cache: ObservedCache &
    Listing & { evict(selectors: SelectorInput): Promise<EvictionReport> } & {
      readonly store: Pick<Store, 'name'>
    }
  /** What `observe()` made for that cache. */
  readonly observer: Observer
  /** One that runs in this process. Whether a listener elsewhere is alive shows by the lag. */
  readonly invalidator?: ObservedInvalidator
  /** With it the tree tells the sizes of pages, by reading them, which counts as a use of those pages. */
  readonly store?: Pick<Store, 'get'>
  /** How many bytes a page has, for the tree, where that is known without reading it: instead of `store`. */
  readonly sizeOf?: SizeOf
  /** Where it is mounted, as the browser sees it. Default `/pagekeep`. */
  readonly path?: string
  /** Lets whoever may see it also evict. Default `false`. */
  readonly allowEvict?: boolean
  /** How far back the sign of life may be before the page says loudly that nobody evicts. Default 15,000. */
  readonly silentAfterMs?: number
  /** How often the page is told anew, in milliseconds. Default 1000. */
  readonly refreshMs?: number
  /** The site's nodes, say from the feed's table `node`. Asked at each refresh. */
  readonly nodes?: () => Promise<readonly NodeReport[]> | readonly NodeReport[]
  /** For a process that renders nothing itself, such as `pagekeep dashboard`: its own numbers of requests say nothing. */
  readonly outside?: Outside
  /** Looks the whole over, as `diagnose()` does. Run when somebody presses the button. */
  readonly doctor?: () => Promise<readonly DoctorFinding[]>
}

/** One line of what a doctor found. */
export interface DoctorFinding {
  readonly level: 'ok' | 'warn' | 'fail'
  readonly subject: string
  readonly message: string
  readonly advice?: string
}

export interface Dashboard {
  /**
   * For node:http and whatever is called like it, Express among them. Resolves to whether the request was the
   * dashboard's; if not, it is untouched, and `next` is called if there is one.
   */
  (request: IncomingMessage, response: ServerResponse, next?: () => void): Promise<boolean>
  /** The web's form. `undefined`: the request is not the dashboard's. */
  fetch(request: Request): Promise<Response | undefined>
  /** Ends every stream and stops recording. */
  close(): void
}

const headers = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/**
 * Makes a dashboard. Throws a `TypeError` or `RangeError` for options that cannot be used, and when neither a
 * token nor `authorize` protects it.
 *
 * @example
 * const observer = observe({ cache })
 * const dashboard = createDashboard({ cache, observer, token: 'a long and secret text' })
 * const answer = await dashboard.fetch(new Request('http://localhost/pagekeep/'))
 * answer.status // => 401
 * dashboard.close()
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  const handler = new DashboardHandler(options)
  const dashboard = async (request: IncomingMessage, response: ServerResponse, next?: () => void) => {
    if (await handler.serve(request, response)) return true
    next?.()
    return false
  }
  return Object.assign(dashboard, {
    fetch: (request: Request) => handler.answer(request, request, () => request.text()),
    close: () => handler.close(),
  })
}

class DashboardHandler {
  readonly #options: DashboardOptions
  readonly #base: string
  readonly #access: Access<IncomingMessage | Request>
  readonly #recorder: Recorder
  readonly #closing = new AbortController()

  constructor(options: DashboardOptions) {
    const { cache, observer, invalidator, path = '/pagekeep', silentAfterMs = 15_000, refreshMs = 1000 } = options
    if (typeof cache?.keys !== 'function') throw new TypeError('Expected cache to be what createCache() makes')
    if (typeof observer?.collect !== 'function') throw new TypeError('Expected observer to be what observe() makes')
    if (!/^(\/[\w.~%-]+)*\/?$/.test(path)) throw new TypeError(`Expected path to look like /pagekeep, got "${path}"`)
    for (const [name, value] of Object.entries({ silentAfterMs, refreshMs })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new RangeError(`Expected ${name} to be a positive integer, got ${value}`)
      }
    }
    this.#access = new Access(options)
    this.#options = { ...options, silentAfterMs, refreshMs }
    this.#base = path.replace(/\/$/, '')
    this.#recorder = new Recorder(observer, cache, invalidator)
  }

  close(): void {
    this.#closing.abort()
    this.#recorder.close()
  }

  async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean> {
    const answer = await this.answer(toRequest(incoming), incoming, () => readBody(incoming))
    if (answer === undefined) return false
    await writeAnswer(answer, outgoing)
    return true
  }

  async answer(
    request: Request,
    asked: IncomingMessage | Request,
    body: () => Promise<string | undefined>,
  ): Promise<Response | undefined> {
    const url = new URL(request.url)
    if (url.pathname === this.#base && this.#base !== '') return this.#redirect(`${this.#base}/`)
    if (!url.pathname.startsWith(`${this.#base}/`)) return undefined
    const place = url.pathname.slice(this.#base.length + 1)
    // They tell nothing, and the page that asks for the token needs one of them.
    if (request.method === 'GET' && place === 'style.css') return text(style, 'text/css')
    if (request.method === 'POST' && place === 'sign-in') return this.#signIn(url, await body())
    const given = url.searchParams.get('token')
    if (place === '' && given !== null && this.#access.isToken(given)) return this.#welcome(url)
    if (!(await this.#access.isAllowed(request, asked))) return this.#refuse(place)
    try {
      return await this.#route(request, url, place, body)
    } catch (thrown) {
      const isOurs = isPagekeepError(thrown)
      return json({ error: reasonOf(thrown) }, isOurs && thrown.code.endsWith('-invalid') ? 400 : 500)
    }
  }

  async #route(request: Request, url: URL, place: string, body: () => Promise<string | undefined>): Promise<Response> {
    const { cache, store, doctor, sizeOf = store && readSize(store) } = this.#options
    if (request.method === 'POST' && place === 'evict') return this.#evict(request, await body())
    if (request.method !== 'GET' && request.method !== 'HEAD') return json({ error: 'Only GET is answered here.' }, 405)
    switch (place) {
      case '':
        return text(pageHtml, 'text/html')
      case 'script.js':
        return text(script, 'text/javascript')
      case 'state':
        return json(await this.#state())
      case 'events':
        return this.#events()
      case 'tree': {
        const find = url.searchParams.get('find')?.trim() ?? ''
        const directory = url.searchParams.get('directory') ?? ''
        return json(find === '' ? await listTree(cache, sizeOf, directory) : await findPages(cache, sizeOf, find))
      }
      case 'doctor':
        return doctor === undefined ? json({ error: 'No doctor was handed in.' }, 404) : json(await doctor())
      default:
        return json({ error: 'There is nothing here.' }, 404)
    }
  }

  async #evict(request: Request, body: string | undefined): Promise<Response> {
    if (this.#options.allowEvict !== true) return json({ error: 'This dashboard is read-only.' }, 403)
    if (!isOwnRequest(request)) return json({ error: 'The request does not come from this page.' }, 403)
    const selector = readSelector(body)
    if (selector === undefined) return json({ error: 'Expected { "selector": … } as JSON.' }, 400)
    parseSelector(selector)
    const { removed, keys, doomed } = await this.#options.cache.evict(selector)
    return json({ removed, keys: keys.slice(0, 20), doomed })
  }

  #events(): Response {
    const { refreshMs = 1000 } = this.#options
    const stream = openEventStream({
      recorder: this.#recorder,
      read: () => this.#state(),
      everyMs: refreshMs,
      closing: this.#closing.signal,
    })
    const more = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }
    return new Response(stream, { headers: { ...headers, ...more } })
  }

  #state() {
    const { observer, invalidator, nodes, outside, cache, doctor } = this.#options
    const { silentAfterMs = 15_000, allowEvict = false } = this.#options
    return readState({
      observer,
      invalidator,
      nodes,
      outside,
      silentAfterMs,
      recorder: this.#recorder,
      storeName: cache.store.name,
      canEvict: allowEvict,
      hasDoctor: doctor !== undefined,
    })
  }

  #signIn(url: URL, body: string | undefined): Response {
    return this.#access.isToken(readToken(body)) ? this.#welcome(url) : text(signInHtml(true), 'text/html', 401)
  }

  #welcome(url: URL): Response {
    return this.#redirect(`${this.#base}/`, {
      'set-cookie': this.#access.cookie(this.#base, url.protocol === 'https:'),
    })
  }

  #refuse(place: string): Response {
    if (!this.#access.takesToken) return json({ error: 'You may not see this.' }, 403)
    return place === ''
      ? text(signInHtml(false), 'text/html', 401)
      : json({ error: 'The token is missing or wrong.' }, 401)
  }

  #redirect(location: string, more: Record<string, string> = {}): Response {
    return new Response(null, { status: 303, headers: { ...headers, location, ...more } })
  }
}

function readSize(store: Pick<Store, 'get'>): SizeOf {
  return async (key) => {
    const body = (await store.get(key))?.body
    return typeof body === 'string' ? Buffer.byteLength(body) : body?.byteLength
  }
}

function readSelector(body: string | undefined): SelectorInput | undefined {
  try {
    const { selector } = JSON.parse(body ?? '') as { selector?: unknown }
    if (typeof selector === 'string' && selector !== '')
      return selector.startsWith('tag:') ? { tag: selector.slice(4) } : selector
  } catch {
    // Answered as what it is: no selector.
  }
  return undefined
}

/** Of a form, or of what a framework made of it. */
function readToken(body = ''): string {
  try {
    return String((JSON.parse(body) as { token?: unknown }).token)
  } catch {
    return new URLSearchParams(body).get('token') ?? ''
  }
}

function text(body: string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { ...headers, 'content-type': `${type}; charset=utf-8` } })
}

function json(value: unknown, status = 200): Response {
  return text(JSON.stringify(value), 'application/json', status)
}
