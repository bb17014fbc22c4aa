/**
 * Evictions by HTTP, for what is no row of the database: a deployment, an editor's button, another system. There is
 * no such endpoint unless you mount one, and none without a token.
 *
 * `POST` with a JSON body `{ "selectors": ["ports/devel/**"], "tags": ["port:1"] }`, or `PURGE` of a URL of the site,
 * either with `Authorization: Bearer <token>`. The answer comes when the eviction is done: 200 with what was
 * evicted, 400 for selectors that cannot be used, 503 when a part could not be evicted (repeat it).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPagekeepError, reasonOf } from '../core/errors.js'
import type { EvictionTarget } from '../core/invalidator.js'
import type { SelectorInput } from '../core/selector.js'
import { readNodeRequest } from './node-message.js'
import { type PageKeyOptions, readKey } from './page-key.js'

export interface PurgeOptions {
  /** What is evicted from: the cache, or `both(cache, cdn)`. */
  readonly target: EvictionTarget
  /** Who has it may evict. At least 16 characters; make it with `openssl rand -hex 32`. */
  readonly token: string
  /** How URLs become keys, for `PURGE`: the options of the `HttpCache`. Without them `PURGE` is not answered. */
  readonly keys?: PageKeyOptions
}

export interface PurgeAnswer {
  readonly status: number
  /** What is sent as JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface PurgeRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

const leastTokenLength = 16
const mostBodyBytes = 256 * 1024
const mostSelectors = 10_000

/** Answers one request, in any framework. Throws a `RangeError` for a token that is too short. */
export function createPurge(options: PurgeOptions): (request: PurgeRequest) => Promise<PurgeAnswer> {
  const { target, token } = options
  if (typeof token !== 'string' || token.length < leastTokenLength) {
    throw new RangeError(`Expected token to have at least ${leastTokenLength} characters`)
  }
  const expected = digest(`Bearer ${token}`)
  return async (request) => {
    const given = request.headers.authorization
    // Digests are of one length, and comparing them takes one time, whatever was given.
    if (!timingSafeEqual(digest(typeof given === 'string' ? given : ''), expected)) {
      return { status: 401, body: { error: 'unauthorized' } }
    }
    const selectors = readSelectors(request, options)
    if (typeof selectors === 'number') return { status: selectors, body: { error: refusals[selectors] ?? 'refused' } }
    try {
      const { removed, doomed } = await target.evict(selectors)
      return { status: 200, body: { removed, doomed } }
    } catch (thrown) {
      const isWrong = isPagekeepError(thrown, 'selector-invalid') || isPagekeepError(thrown, 'tag-invalid')
      return { status: isWrong ? 400 : 503, body: { error: reasonOf(thrown) } }
    }
  }
}

/** The same as a listener for node:http, Express or Connect: `app.use('/-/purge', createPurgeListener(options))`. */
export function createPurgeListener(
  options: PurgeOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const purge = createPurge(options)
  const answer = async (request: IncomingMessage): Promise<PurgeAnswer> => {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of request) {
      chunks.push(chunk)
      size += chunk.length
      if (size > mostBodyBytes) return { status: 413, body: { error: 'the body is too long' } }
    }
    return purge({ ...readNodeRequest(request), body: Buffer.concat(chunks).toString() })
  }
  return (request, response) => {
    answer(request)
      .catch((): PurgeAnswer => ({ status: 400, body: { error: 'the request broke off' } }))
      .then(({ status, body }) => {
        response.statusCode = status
        response.setHeader('Content-Type', 'application/json')
        response.setHeader('Cache-Control', 'no-store')
        if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
        if (status === 405) response.setHeader('Allow', 'POST, PURGE')
        response.end(`${JSON.stringify(body)}\n`)
      })
  }
}

const refusals: Readonly<Record<number, string>> = {
  400: 'expected JSON: { "selectors": [...], "tags": [...] }',
  404: 'no page is kept under this URL',
  405: 'expected POST or PURGE',
}

/** What to evict, or the status of a refusal. */
function readSelectors(request: PurgeRequest, { keys }: PurgeOptions): SelectorInput[] | 400 | 404 | 405 {
  if (request.method === 'PURGE' && keys !== undefined) {
    const key = readKey({ ...request, headers: { host: request.headers.host } }, { ...keys, query: 'all' })
    return typeof key === 'string' ? 404 : [key.page, `${key.page}@*`, key.key]
  }
  if (request.method !== 'POST') return 405
  let body: unknown
  try {
    body = JSON.parse(request.body)
  } catch {
    return 400
  }
  const { selectors = [], tags = [] } = (body ?? {}) as { selectors?: unknown; tags?: unknown }
  if (!isTexts(selectors) || !isTexts(tags)) return 400
  const all = [...selectors, ...tags.map((tag) => ({ tag }))]
  return all.length === 0 || all.length > mostSelectors ? 400 : all
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
