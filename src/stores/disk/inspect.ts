/**
 * What a cache directory says of itself to a person who looks: read only, nothing is made or mended. What is seen
 * may change while it is looked at; nothing rests on it.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { checkKey } from '../../core/key.js'
import type { ContentCoding } from './content-coding.js'
import { isAbsence } from './disk-error.js'
import { codingsByLeases, codingsByMarker, Layout } from './layout.js'
import { type PageRecord, recordBit, recordIn } from './page-record.js'

export { type JournalDoom, type JournalEntry, type JournalEviction, readJournal } from './journal.js'

/** A kept page, from outside. */
export interface PageFacts extends Partial<Omit<PageRecord, 'part'>> {
  readonly key: string
  readonly path: string
  /** How long its file is. */
  readonly bytes: number
  /** When it was kept, in milliseconds since 1970. */
  readonly keptAtMs: number
  readonly userId: number
  /** Those that it was ever kept with. */
  readonly tags: readonly string[]
}

/** Where everything lies in a directory, by the coding that it says its pages have; `identity` where it says nothing. */
export function layoutOf(directory: string): Layout {
  return new Layout(directory, codingsOf(directory)[0])
}

/** What a directory says of the coding of its pages: one, unless somebody was there by hand. */
function codingsOf(directory: string): ContentCoding[] {
  const { home, tags } = new Layout(directory)
  const namesIn = (path: string) => whereThere(() => readdirSync(path)) ?? []
  const codings = codingsByLeases(namesIn(home))
  return codings.length > 0 ? codings : codingsByMarker(namesIn(tags))
}

/** What is known of `key`'s page, or `undefined` when none is kept. Throws `key-invalid`. */
export function inspectPage(directory: string, key: string): PageFacts | undefined {
  const layout = layoutOf(directory)
  const path = layout.page(checkKey(key))
  const stats = whereThere(() => lstatSync(path, { bigint: true }))
  if (stats === undefined || !stats.isFile()) return undefined
  const hasRecord = (Number(stats.mode) & recordBit) !== 0
  const text = hasRecord ? whereThere(() => readFileSync(layout.record(key), 'utf8')) : undefined
  const { part: _, ...record } = (text === undefined ? undefined : readable(() => recordIn(text, stats))) ?? {}
  return {
    key,
    path,
    bytes: Number(stats.size),
    keptAtMs: Number(stats.mtimeMs),
    userId: Number(stats.uid),
    ...record,
    tags: inspectTags(directory, key),
  }
}

export interface DirectoryFacts {
  readonly directory: string
  /** `missing`; a file or link to none; `foreign`: files, and it was never a cache; `empty`: it may become one. */
  readonly kind: 'missing' | 'not-a-directory' | 'foreign' | 'empty' | 'cache'
  readonly userId?: number
  readonly groupId?: number
  readonly mode?: number
  /** What its pages lie in, of a cache: one, unless it contradicts itself. */
  readonly codings: readonly ContentCoding[]
  /** Where tokens of renders in flight lie. */
  readonly leasesPath: string
  /** Those of our directories that lie on another device than the pages. */
  readonly elsewhere: readonly string[]
  /** Those that are missing. */
  readonly missing: readonly string[]
  /** Fills in flight, and what dead processes left. */
  readonly leases: number
  readonly oldestLeaseAtMs: number | undefined
  readonly trash: number
}

/** What is known of a directory; throws what the file system says when it may not be read. */
export function inspectDirectory(directory: string): DirectoryFacts {
  const layout = layoutOf(directory)
  const places = { directory: layout.root, codings: codingsOf(directory), leasesPath: layout.leases }
  const none = { ...places, elsewhere: [], missing: [], leases: 0, oldestLeaseAtMs: undefined, trash: 0 }
  const root = whereThere(() => lstatSync(layout.root))
  if (root === undefined) return { ...none, kind: 'missing' }
  const names = whereThere(() => readdirSync(layout.root))
  if (names === undefined) return { ...none, kind: 'not-a-directory' }
  const owner = { userId: root.uid, groupId: root.gid, mode: root.mode & 0o7777 }
  if (!names.includes('.pagekeep')) {
    return { ...none, ...owner, kind: names.some((name) => !name.startsWith('.')) ? 'foreign' : 'empty' }
  }
  const device = whereThere(() => lstatSync(`${layout.root}/.`))?.dev
  const ours = layout.directories.map((path) => ({ path, stats: whereThere(() => lstatSync(path)) }))
  const leases = (whereThere(() => readdirSync(layout.leases)) ?? []).flatMap((name) => {
    const stats = whereThere(() => lstatSync(`${layout.leases}/${name}`))
    return stats === undefined ? [] : [stats.mtimeMs]
  })
  return {
    ...none,
    ...owner,
    kind: 'cache',
    elsewhere: ours.flatMap(({ path, stats }) => (stats !== undefined && stats.dev !== device ? [path] : [])),
    missing: ours.flatMap(({ path, stats }) => (stats === undefined ? [path] : [])),
    leases: leases.length,
    oldestLeaseAtMs: leases.length === 0 ? undefined : Math.min(...leases),
    trash: (whereThere(() => readdirSync(layout.trash)) ?? []).length,
  }
}

/** The tags that `key` was kept with and that are remembered, kept or not. By every log there is: they are by tag. */
export function inspectTags(directory: string, key: string): string[] {
  const layout = new Layout(directory)
  const needle = Buffer.from(`\t${key}\n`)
  const tags = new Set<string>()
  for (const name of whereThere(() => readdirSync(layout.tags)) ?? []) {
    const log = whereThere(() => readFileSync(`${layout.tags}/${name}`))
    if (log === undefined) continue
    for (let at = log.indexOf(needle); at !== -1; at = log.indexOf(needle, at + 1)) {
      const from = log.lastIndexOf('\n', at - 1) + 1
      tags.add(log.toString('utf8', from, at))
    }
  }
  return [...tags].sort()
}

function whereThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw thrown
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** A text that an invalidator keeps beside the pages, without making anything. */
export function inspectState(directory: string, name: string): string | undefined {
  return whereThere(() => readFileSync(`${new Layout(directory).state}/${name}`, 'utf8')) || undefined
}
