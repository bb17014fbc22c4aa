/**
 * The kept pages as a tree, a directory at a time, and what a search finds among them. Bounded: a listing looks
 * at so many keys and no more, and says so when there were more.
 *
 * Sizes are looked up one by one, where the listing is short enough for all.
 */
import { parseSelector, type SelectorInput } from '../core/selector.js'
import type { Awaitable } from '../core/store.js'

/** What lists: a `PageCache`. */
export interface Listing {
  keys(selector?: SelectorInput): AsyncIterable<string>
}

/** How many bytes the page of a key has; `undefined`: there is none any more. */
export type SizeOf = (key: string) => Awaitable<number | undefined>

export interface TreeEntry {
  readonly name: string
  /** The key of a page, or the directory. */
  readonly path: string
  readonly kind: 'page' | 'directory'
  /** How many pages lie below; 1 for a page. */
  readonly pages: number
  /** `null` where it was not looked up. */
  readonly bytes: number | null
}

export interface TreeAnswer {
  readonly directory: string
  readonly entries: readonly TreeEntry[]
  /** There was more than is shown or was counted. */
  readonly isCut: boolean
}

const maxScanned = 50_000
const maxEntries = 300
/** So many sizes are looked up. */
const maxRead = 300

/** What lies directly in `directory` (`''` is the top). Throws `selector-invalid`. */
export async function listTree(cache: Listing, sizeOf: SizeOf | undefined, directory: string): Promise<TreeAnswer> {
  const selector = directory === '' ? '**' : `${directory}/**`
  parseSelector(selector)
  const { keys, isCut } = await scan(cache.keys(selector), () => true)
  const start = directory === '' ? 0 : directory.length + 1
  const groups = new Map<string, string[]>()
  for (const key of keys) {
    const slash = key.indexOf('/', start)
    // A page and a directory may have one name: they are two entries.
    const name = slash === -1 ? key.slice(start) : key.slice(start, slash + 1)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [key])
    else group.push(key)
  }
  const names = [...groups.keys()].sort(byKindAndName)
  const shown = names.slice(0, maxEntries)
  const entries: TreeEntry[] = []
  let budget = sizeOf === undefined ? 0 : maxRead
  for (const name of shown) {
    const group = groups.get(name) ?? []
    const isDirectory = name.endsWith('/')
    const path = (directory === '' ? '' : `${directory}/`) + (isDirectory ? name.slice(0, -1) : name)
    const isRead = sizeOf !== undefined && !isCut && group.length <= budget
    const bytes = isRead ? await bytesOf(sizeOf, group) : null
    if (isRead) budget -= group.length
    entries.push({ name, path, kind: isDirectory ? 'directory' : 'page', pages: group.length, bytes })
  }
  return { directory, entries, isCut: isCut || names.length > shown.length }
}

/** Pages whose key contains `text`, or matches it where it has a `*`. Throws `selector-invalid`. */
export async function findPages(cache: Listing, sizeOf: SizeOf | undefined, text: string): Promise<TreeAnswer> {
  const isPattern = text.includes('*')
  const wanted = text.toLowerCase()
  const found = await scan(
    cache.keys(isPattern ? text : undefined),
    (key) => isPattern || key.toLowerCase().includes(wanted),
    maxEntries,
  )
  const entries: TreeEntry[] = []
  for (const [at, key] of found.keys.entries()) {
    const bytes = sizeOf !== undefined && at < maxRead ? await bytesOf(sizeOf, [key]) : null
    entries.push({ name: key, path: key, kind: 'page', pages: 1, bytes })
  }
  return { directory: '', entries, isCut: found.isCut }
}

async function scan(
  keys: AsyncIterable<string>,
  isWanted: (key: string) => boolean,
  limit = maxScanned,
): Promise<{ keys: string[]; isCut: boolean }> {
  const found: string[] = []
  let scanned = 0
  for await (const key of keys) {
    if (++scanned > maxScanned || found.length >= limit) return { keys: found, isCut: true }
    if (isWanted(key)) found.push(key)
    // A store that lists without waiting would hold up the site.
    if (scanned % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return { keys: found, isCut: false }
}

async function bytesOf(sizeOf: SizeOf, keys: readonly string[]): Promise<number | null> {
  let bytes = 0
  for (const key of keys) {
    try {
      bytes += (await sizeOf(key)) ?? 0
    } catch {
      return null
    }
  }
  return bytes
}

function byKindAndName(one: string, other: string): number {
  const kinds = Number(other.endsWith('/')) - Number(one.endsWith('/'))
  return kinds === 0 ? (one < other ? -1 : 1) : kinds
}
