/** Conditions of a request against the validators of a page: RFC 9110, 13. */
import { parseHttpDate } from './http-date.js'
import { listOf, type PageRequest, requestField } from './message.js'

/** What a version of a page is told by. */
export interface Validators {
  readonly etag: string | undefined
  /** Its `Last-Modified`, in milliseconds. */
  readonly modifiedMs: number | undefined
}

/** Whether the visitor's copy is still good, so that 304 is the answer. `If-None-Match` goes before `If-Modified-Since`. */
export function isUnmodified(request: PageRequest, { etag, modifiedMs }: Validators): boolean {
  const condition = requestField(request, 'if-none-match')
  if (condition !== undefined) {
    if (condition.trim() === '*') return true
    return etag !== undefined && tagsOf(condition).some((tag) => weak(tag) === weak(etag))
  }
  if (modifiedMs === undefined) return false
  const sinceMs = parseHttpDate(requestField(request, 'if-modified-since'))
  return sinceMs !== undefined && modifiedMs <= sinceMs
}

/** Whether a range may be taken from the page as it is now: `If-Range` asks for exactly that one, by a strong validator. */
export function isSameForRange(request: PageRequest, { etag, modifiedMs }: Validators): boolean {
  const condition = requestField(request, 'if-range')?.trim()
  if (condition === undefined) return true
  if (condition.startsWith('"')) return condition === etag
  const atMs = parseHttpDate(condition)
  return atMs !== undefined && modifiedMs === atMs
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
