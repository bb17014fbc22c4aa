/**
 * What a page is called in front of this cache: the names by which a CDN can be told to drop it. A page has one for
 * each of its tags, one for its key and one for each directory it lies in; an eviction has the names of all pages
 * it touches, or of more.
 *
 * The CDN's fields separate names by spaces (`Surrogate-Key`: Fastly, Varnish xkey) or commas (`Cache-Tag`:
 * Cloudflare, which also takes upper case for lower), so names are escaped.
 */
import type { Selector } from '../core/selector.js'
import { type Field, type Fields, fieldOf, listOf } from './message.js'

/** Fields in which a site may name the tags of its pages; read here, and not sent on. */
export const tagFields: ReadonlySet<string> = new Set(['surrogate-key', 'cache-tag'])

/** The tags that a response names. */
export function receivedTags(headers: Fields): string[] {
  const bySpaces = (fieldOf(headers, 'surrogate-key') ?? '').split(/[\s,]+/).filter((tag) => tag !== '')
  return [...new Set([...bySpaces, ...listOf(fieldOf(headers, 'cache-tag'))])]
}

/** The fields with all names of a page. */
export function emittedTags(
  key: string,
  tags: readonly string[],
  fields: readonly ('Surrogate-Key' | 'Cache-Tag')[],
): Field[] {
  const names = [...tags.map(nameOfTag), nameOfKey(pathOf(key)), ...directoriesOf(key).map(nameOfDirectory)]
  return fields.map((field) => [field, names.join(field === 'Cache-Tag' ? ',' : ' ')])
}

/** The names of the pages that `selector` matches. A pattern is taken for the whole directory it lies in. */
export function namesOf(selector: Selector): string[] {
  if (selector.kind === 'tag') return [nameOfTag(selector.tag)]
  if (selector.kind === 'key') return [nameOfKey(pathOf(selector.key))]
  return [nameOfDirectory(selector.directory)]
}

/** A key without what tells its variants apart: an eviction of a page in front of us means all of them. */
function pathOf(key: string): string {
  const cut = key.lastIndexOf('/') + 1
  const at = key.indexOf('@', cut)
  return at === -1 || key.startsWith('@.html', at) ? key : key.slice(0, at)
}

/** The directories of a key, the root (`''`) first. */
function directoriesOf(key: string): string[] {
  const segments = key.split('/').slice(0, -1)
  return ['', ...segments.map((_, index) => segments.slice(0, index + 1).join('/'))]
}

function nameOfTag(tag: string): string {
  return `t:${escapeName(tag)}`
}

function nameOfKey(key: string): string {
  return `k:${escapeName(key)}`
}

function nameOfDirectory(directory: string): string {
  return `d:${escapeName(directory)}`
}

function escapeName(text: string): string {
  return encodeURIComponent(text).replace(/%(?:2F|3A|40)/g, decodeURIComponent)
}
