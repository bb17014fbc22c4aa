/**
 * What a peer must show to be asked: a read-through call, a read, and how a key and a tag are invalidated.
 *
 * Each adapter uses the peer as its own documentation says, with no wrapper that would change an answer.
 * Where a peer has no read-through of its own, or none with tags, the adapter writes `get`, render, `set`
 * and its note says so.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export interface Page {
  readonly key: string
  readonly tags: readonly string[]
}

/** An open cache. */
export interface Peer {
  /** What a visitor gets: the kept page, or what `render` makes, kept. */
  getOrRender(page: Page, render: () => Promise<string>): Promise<unknown>
  /** What is kept, or `undefined` (or `null`); renders nothing. */
  read(page: Page): Promise<unknown>
  /** Forgets the page by its key; is awaited. */
  invalidateKey(key: string): Promise<unknown>
  /** Forgets what was made from `tag`; is awaited. Absent: the peer has no such call. */
  invalidateTag?(tag: string): Promise<unknown>
  close(): Promise<unknown>
}

/** One way in which a peer keeps pages. */
export interface Form {
  readonly name: string
  /** Whether two processes may open the same directory. */
  readonly isOnDisk: boolean
  /** What a reader must know to judge the row. */
  readonly note?: string
  open(directory: string): Promise<Peer>
}

export interface PeerKind {
  readonly name: string
  readonly version: string
  readonly forms: readonly Form[]
}

/**
 * Loads an installed peer. By a variable, so that the compiler does not look for packages that are installed
 * only for this program; each adapter states the little that it uses as `Module`.
 */
export async function load<Module>(specifier: string): Promise<Module> {
  return (await import(specifier)) as Module
}

/** As `load`, for inner parts that are CommonJS: loaders do not agree on what `import` makes of those. */
export function loadCommonJs<Module>(specifier: string): Module {
  return createRequire(import.meta.url)(specifier) as Module
}

/** The version of an installed package, from its own package.json. Throws when it is not installed here. */
export function versionOf(packageName: string): string {
  const manifest = new URL(`node_modules/${packageName}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(manifest, 'utf8')).version
}
