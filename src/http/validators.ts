/** Conditions of a request against the validators of a page: RFC 9110, 13. */
import { httpDate, parseHttpDate } from './http-date.js'
import { type Fields, fieldOf, listOf, type PageRequest, requestField } from './message.js'

/** Whether the visitor's copy is still good, so that 304 is the answer. `If-None-Match` goes before `If-Modified-Since`. */
export function isUnmodified(request: PageRequest, headers: Fields): boolean {
  const etag = fieldOf(headers, 'etag')
  const condition = requestField(request, 'if-none-match')
  if (condition !== undefined) {
    if (condition.trim() === '*') return true
    return etag !== undefined && tagsOf(condition).some((tag) => weak(tag) === weak(etag))
  }
  const sinceMs = parseHttpDate(requestField(request, 'if-modified-since'))
  const modifiedMs = parseHttpDate(fieldOf(headers, 'last-modified'))
  return sinceMs !== undefined && modifiedMs !== undefined && modifiedMs <= sinceMs
}

/** Whether a range may be taken from the page as it is now: `If-Range` asks for exactly that one, by a strong validator. */
export function isSameForRange(request: PageRequest, headers: Fields): boolean {
  const condition = requestField(request, 'if-range')?.trim()
  if (condition === undefined) return true
  const etag = fieldOf(headers, 'etag')
  if (condition.startsWith('"')) return condition === etag
  const atMs = parseHttpDate(condition)
  return atMs !== undefined && fieldOf(headers, 'last-modified') === httpDate(atMs)
}

/** The entity tag that nginx gives a plain file: its time in seconds and its size, in hexadecimal digits. */
export function fileTag(modifiedMs: number, bytes: number): string {
  return `"${Math.floor(modifiedMs / 1000).toString(16)}-${bytes.toString(16)}"`
}

/** The tag of another coding of the same page: different bytes need a different tag (RFC 9110, 8.8.3.3). */
export function tagOfCoding(etag: string, coding: string): string {
  return etag.endsWith('"') ? `${etag.slice(0, -1)}-${coding}"` : etag
}

function tagsOf(condition: string): string[] {
  return condition.match(/(?:W\/)?"[^"]*"/g) ?? listOf(condition)
}

function weak(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}
