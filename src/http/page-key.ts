/**
 * From a request to the key of its page: host, path, the query parameters and cookies that are named in the
 * options, and nothing else, so that no request can create files that the site did not mean to have.
 *
 * - `/ports/` is `ports/index.html`; `/style.css` is `style.css`; `/about`, which could have `/about/` beside it,
 *   is `about@.html`. Each part of a path is decoded and written as a route writes a value (docs/decisions/0003).
 * - Query parameters follow as `@page=2`, cookies as `@cookie.lang=de`. No value shows an `@`, so `index.html@*`
 *   are all of a page's variants and no other page.
 * - What could mean another page to the site than to this cache is never looked up: `.` and `..` in a path, a
 *   `/index.html` that is asked for by name, a host that is not listed, a parameter or a cookie that is not named.
 */
import { keyProblem } from '../core/key.js'
import { cutSegment, encodeValue } from '../core/segment.js'
import { type PageRequest, requestField } from './message.js'

export interface PageKeyOptions {
  /**
   * The hosts whose pages are kept, such as `['www.example.org']`; pages of several hosts lie in a directory each.
   * `'any'` when no page depends on the host: it is then no part of the key. A list is safer, since a page that
   * shows the host of a forged request would be shown to everybody.
   */
  readonly hosts: readonly string[] | 'any'
  /** The query parameters that make another page; `'all'` of them. Default: none. */
  readonly query?: readonly string[] | 'all'
  /**
   * Query parameters that make no difference (`utm_source`; `utm_*` for all that begin so). The site does not see
   * them when it makes a page that is kept. Requests with any other parameter pass the cache by. Default: none.
   */
  readonly ignoredQuery?: readonly string[]
  /** The cookies that make another page, such as a language. Price: a page for each value. Default: none. */
  readonly cookies?: readonly string[]
  /**
   * Cookies that make no difference (`_ga`; `_ga*`); the site does not see them either. Requests with any other cookie pass the cache by, since the
   * site may know its sender by it. `'all'` when no page depends on a cookie that is not named. Default: none.
   */
  readonly ignoredCookies?: readonly string[] | 'all'
  /**
   * Makes the key of a path (without its query) by itself, best with a route, so that who stores and who evicts
   * cannot disagree; `undefined` for what is not to be kept. Default: as described above.
   */
  readonly key?: (path: string, request: PageRequest) => string | undefined
}

export interface PageKey {
  /** The key of the page without query and cookies: what its variants are counted by. */
  readonly page: string
  readonly key: string
  /** The URL and the cookies as the site is to see them: without what makes no difference. */
  readonly url: string
  readonly cookie: string | undefined
}

/** The key, or why the request passes the cache by, as a token for Cache-Status. */
export function readKey(request: PageRequest, options: PageKeyOptions): PageKey | string {
  const host = hostOf(request, options.hosts)
  if (host === undefined) return 'host'
  const [path = '', query] = cutOnce(request.url, '?')
  const page = options.key === undefined ? keyOfPath(path) : options.key(path, request)
  if (page === undefined) return 'path'
  const parameters = queryPart(query, options)
  if (parameters === undefined) return 'query'
  const cookies = cookiePart(requestField(request, 'cookie'), options)
  if (cookies === undefined) return 'cookie'
  const named = `${host}${page}`
  const key = cutKey(`${named}${parameters.part}${cookies.part}`)
  if (keyProblem(key) !== undefined) return 'path'
  const url = parameters.query === '' ? path : `${path}?${parameters.query}`
  return { page: named, key, url, cookie: cookies.field }
}

/** The key of a path, or `undefined` for a path that is not kept. */
export function keyOfPath(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined
  const segments: string[] = []
  const encoded = path.slice(1).split('/')
  for (const [index, segment] of encoded.entries()) {
    const isLast = index === encoded.length - 1
    if (isLast && segment === '') {
      segments.push('index.html')
      continue
    }
    const value = decode(segment)
    if (value === undefined || value === '.' || value === '..' || value === 'index.html') return undefined
    segments.push(isLast && !hasSuffix.test(value) ? `${encodePart(value)}@.html` : encodePart(value))
  }
  return segments.join('/')
}

const hasSuffix = /[^.]\.[a-z][a-z0-9]{0,9}$/i

/** What `encodeValue` leaves as it is. */
const isPlainPart = /^[\w+-][\w+.-]{0,99}$/

function encodePart(value: string): string {
  if (isPlainPart.test(value)) return value
  return encodeValue(value, { separators: '@=,', escapesUpperCase: false })
}

/** Cuts what is too long for a file's name; parts of a key that a route has cut already stay as they are. */
function cutKey(key: string): string {
  return key
    .split('/')
    .map((segment) => (segment.length > 200 ? cutSegment(segment) : segment))
    .join('/')
}

function hostOf(request: PageRequest, hosts: readonly string[] | 'any'): string | undefined {
  if (hosts === 'any') return ''
  const host = requestField(request, 'host')?.toLowerCase()
  const name = host?.replace(/:\d+$/, '')
  const found = hosts.find((allowed) => allowed.toLowerCase() === host || allowed.toLowerCase() === name)
  if (found === undefined) return undefined
  return hosts.length === 1 ? '' : `${encodePart(found.toLowerCase())}/`
}

function queryPart(query: string | undefined, options: PageKeyOptions): { part: string; query: string } | undefined {
  const pairs: [name: string, value: string, raw: string][] = []
  for (const raw of (query ?? '').split('&')) {
    if (raw === '') continue
    const [rawName = '', rawValue = ''] = cutOnce(raw, '=')
    const name = decode(rawName.replaceAll('+', ' '))
    const value = decode(rawValue.replaceAll('+', ' '))
    if (name === undefined || value === undefined) return undefined
    if (isNamed(name, options.ignoredQuery ?? [])) continue
    if (options.query !== 'all' && !options.query?.includes(name)) return undefined
    pairs.push([name, raw.includes('=') ? `=${encodePart(value)}` : '', raw])
  }
  // The order of different parameters makes no difference; that of one repeated may.
  pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const part = pairs.map(([name, value]) => `${encodePart(name)}${value}`).join(',')
  return { part: part === '' ? '' : `@${part}`, query: pairs.map(([, , raw]) => raw).join('&') }
}

/** What the cookies of a request make of the key, and what the site sees of them; `undefined` when one is not named. */
export function cookiePart(
  field: string | undefined,
  options: PageKeyOptions,
): { part: string; field: string | undefined } | undefined {
  const values = new Map<string, string>()
  for (const member of (field ?? '').split(';')) {
    const [name = '', value = ''] = cutOnce(member.trim(), '=')
    if (name === '') continue
    if (options.cookies?.includes(name)) values.set(name, values.get(name) ?? value)
    else if (options.ignoredCookies !== 'all' && !isNamed(name, options.ignoredCookies ?? [])) return undefined
  }
  const sorted = [...values].sort()
  const part = sorted.map(([name, value]) => `@cookie.${encodePart(name)}=${encodePart(value)}`).join('')
  return { part, field: sorted.map(([name, value]) => `${name}=${value}`).join('; ') || undefined }
}

function isNamed(name: string, names: readonly string[]): boolean {
  return names.some((known) => (known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known))
}

function cutOnce(text: string, separator: string): [before: string, after: string | undefined] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
