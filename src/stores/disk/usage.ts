/**
 * How much a cache directory holds. Nobody counts along: pages come and go in any process, and by hand. So it is
 * walked, in slices, with `stat` for each page, which a directory of a hundred thousand takes a second of processor
 * time for; whoever asks often is answered with what was found a while ago.
 * The log of a size limit would tell at once, but only an upper bound, and only where there is one.
 */
import { lstat, readdir } from 'node:fs/promises'
import { isAbsence } from './disk-error.js'
import type { DiskStore } from './disk-store.js'
import { layoutOf } from './inspect.js'

export interface DiskUsage {
  /** Kept pages. */
  readonly pages: number
  /** The sum of their lengths, as they lie there; `.pagekeep` and what a file system adds are not in it. */
  readonly bytes: number
  /** When it was measured, in milliseconds since 1970. */
  readonly atMs: number
}

export interface MeasureOptions {
  /** Told after every thousand pages. */
  readonly onProgress?: (pages: number, bytes: number) => void
  /** Ends it early: what was found so far is the answer. */
  readonly signal?: AbortSignal
}

const atATime = 32

/** Walks the directory. What goes away meanwhile is not counted; rejects with what the file system says otherwise. */
export async function measureUsage(directory: string, options: MeasureOptions = {}): Promise<DiskUsage> {
  const { onProgress, signal } = options
  let pages = 0
  let bytes = 0
  const layout = layoutOf(directory)
  const waiting = [layout.root]
  for (let path = waiting.pop(); path !== undefined && !signal?.aborted; path = waiting.pop()) {
    const entries = (await readdir(path, { withFileTypes: true }).catch(unlessAbsent)) ?? []
    const shown = entries.filter(({ name }) => !name.startsWith('.'))
    for (const entry of shown) if (entry.isDirectory()) waiting.push(`${path}/${entry.name}`)
    const files = shown.filter((entry) => entry.isFile() && layout.keyAt(entry.name) !== undefined)
    for (let from = 0; from < files.length && !signal?.aborted; from += atATime) {
      const sizes = await Promise.all(
        files.slice(from, from + atATime).map(({ name }) => lstat(`${path}/${name}`).catch(unlessAbsent)),
      )
      for (const stats of sizes) {
        if (stats === undefined) continue
        pages++
        bytes += stats.size
        if (pages % 1000 === 0) onProgress?.(pages, bytes)
      }
    }
  }
  return { pages, bytes, atMs: Date.now() }
}

/**
 * What to hand to `observe({ usage })`: answers with the last measure, and begins another when that is older than
 * `maxAgeMs` (default 60,000). The first one is waited for. Price: a walk through the directory as often as that.
 *
 * @example
 * const store = new DiskStore({ directory: 'cache' })
 * const usage = usageOf(store)
 * const { pages } = await usage()
 * pages // => 0
 */
export function usageOf(
  { directory }: Pick<DiskStore, 'directory'>,
  { maxAgeMs = 60_000 }: { readonly maxAgeMs?: number } = {},
): () => Promise<DiskUsage> {
  let last: DiskUsage | undefined
  let looking: Promise<DiskUsage> | undefined
  const look = () => {
    looking ??= measureUsage(directory)
      .then((found) => {
        last = found
        return found
      })
      .finally(() => {
        looking = undefined
      })
    return looking
  }
  return async () => {
    if (last === undefined) return look()
    // A walk that fails leaves the last one; the next who asks begins another.
    if (Date.now() - last.atMs > maxAgeMs) look().catch(() => undefined)
    return last
  }
}

function unlessAbsent(thrown: unknown): undefined {
  if (!isAbsence(thrown)) throw thrown
}
