/**
 * What lies below a directory, found as it goes: no snapshot. It never follows a symbolic link, so it
 * cannot leave the tree, and it does not look into directories that start with a dot.
 */
import { isAbsence } from './disk-error.js'
import type { Files } from './files.js'

export interface Found {
  /** Relative to the root of the walk, `/` between segments. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  /** Its name starts with a dot: not a page, and not ours. */
  readonly isHidden: boolean
}

export interface WalkOptions {
  /** Whether to look into this directory. Default: into all. */
  readonly enters?: (directory: string) => boolean
  /** A directory that cannot be read, other than because it vanished. Default: throws. */
  readonly failed?: (directory: string, thrown: unknown) => void
}

/** Everything below `<root>/<directory>`; a directory comes before what is in it. */
export function* walk(files: Files, root: string, directory: string, options: WalkOptions = {}): Generator<Found> {
  const waiting = [directory]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of listOf(files, root, next, options)) {
      const path = next === '' ? entry.name : `${next}/${entry.name}`
      const isHidden = entry.name.startsWith('.')
      if (entry.isDirectory()) {
        yield { path, kind: 'directory', isHidden }
        if (!isHidden && (options.enters?.(path) ?? true)) waiting.push(path)
      } else {
        yield { path, kind: entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'link' : 'other', isHidden }
      }
    }
  }
}

function listOf(files: Files, root: string, directory: string, { failed }: WalkOptions) {
  try {
    return files.list(directory === '' ? root : `${root}/${directory}`)
  } catch (thrown) {
    if (isAbsence(thrown)) return []
    if (failed === undefined) throw thrown
    failed(directory, thrown)
    return []
  }
}
