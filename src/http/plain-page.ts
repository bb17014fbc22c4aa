/**
 * Pages that are nothing but their file, as nginx would serve it: status 200, a type that the name tells, `ETag` and
 * `Last-Modified` from the file's own time, once its second is over.
 */
import { httpDate } from './http-date.js'
import { type Field, type Fields, fieldOf, type OriginResponse } from './message.js'
import type { StoredPage } from './stored-page.js'
import { fileTag } from './validators.js'

/** Types by suffix, for text; a page of another kind is no plain file. */
const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  json: 'application/json',
  xml: 'text/xml',
  svg: 'image/svg+xml',
  txt: 'text/plain',
}

/** What says no more of a page than its file does, or is made anew for each answer. */
const told = new Set(['content-type', 'content-length', 'date', 'etag', 'last-modified', 'cache-status'])

/**
 * How long after the end of its second a file gets validators, in milliseconds. They tell seconds only: another page
 * of that second and length would have the same, and who holds the one would be told that it is the other.
 */
const settleMs = 100

/** Whether that is over for a file of this time. */
export function isSettled(modifiedMs: number | undefined, nowMs: number): modifiedMs is number {
  return modifiedMs !== undefined && nowMs >= (Math.floor(modifiedMs / 1000) + 1) * 1000 + settleMs
}

/** The page of `size` bytes that lies at `key`; `modifiedMs` is the time of its file, where it is known. */
export function plainPage(key: string, size: number, modifiedMs: number | undefined, nowMs: number): StoredPage {
  const headers: Field[] = [['Content-Type', `${typeOf(key)}; charset=utf-8`]]
  if (isSettled(modifiedMs, nowMs)) {
    headers.push(['ETag', fileTag(modifiedMs, size)], ['Last-Modified', httpDate(modifiedMs)])
  }
  return {
    status: 200,
    headers,
    respondedAtMs: modifiedMs ?? Number.POSITIVE_INFINITY,
    ageMs: 0,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    vary: [],
    stamp: '',
    encodings: [],
  }
}

/** Whether a file at `key` says all that there is to say of `response`. */
export function isPlain(key: string, { status, headers }: OriginResponse, fields: Fields): boolean {
  const type = fieldOf(headers, 'content-type')?.toLowerCase().replaceAll(' ', '')
  const isUsual = type === `${typeOf(key)};charset=utf-8` || type === typeOf(key)
  return status === 200 && isUsual && fields.every(([name]) => told.has(name.toLowerCase()))
}

function typeOf(key: string): string {
  const suffix = /\.(\w+)(?:@.*)?$/.exec(key.slice(key.lastIndexOf('/') + 1))?.[1] ?? 'html'
  return types[suffix] ?? 'text/html'
}
