/**
 * Every page away at once, synchronously, before anything else is served: for when nobody can tell any more
 * which of them an eviction would have to find, in whatever coding they lie. In the order of every eviction: first the fills in flight are
 * doomed, then the pages go. Dotfiles stay, or come back in the background (trash.ts).
 */
import { parseSelector } from '../../core/selector.js'
import type { Disk } from './disk.js'
import { doom } from './doom.js'
import { Tally } from './tally.js'
import type { Trash } from './trash.js'
import { walk } from './walk.js'

const everything = parseSelector('**')

/** The directory that a file system keeps for its own repairs; there from the start, and not always readable. */
export const ofTheFileSystem = 'lost+found'

/** Throws what stopped it; then some pages may be left, and it must be repeated. */
export function forgetPages(disk: Disk, trash: Trash): void {
  const tally = new Tally()
  doom(disk, { keys: new Map(), patterns: [], all: everything }, tally)
  const [failure] = tally.failures
  if (failure !== undefined) throw failure.cause
  trash.discard(trash.takeRecords(''))
  trash.discard(trash.takeAsides())
  for (const entry of disk.files.list(disk.layout.root)) {
    if (entry.name.startsWith('.')) continue
    if (!entry.isDirectory()) disk.files.unlink(disk.layout.place(entry.name))
    else if (!takeDirectory(trash, entry.name)) removeBelow(disk, entry.name)
  }
}

/**
 * Whether something lies in the directory that could be taken for a page. Directories made in advance do not.
 * Throws what prevented looking: what cannot be listed may hold anything.
 */
export function mayHoldPages({ files, layout }: Disk): boolean {
  const failed = (directory: string, thrown: unknown) => {
    // The repairs of the file system hold no pages.
    if (directory !== ofTheFileSystem) throw thrown
  }
  for (const { kind, isHidden } of walk(files, layout.root, '', { failed })) {
    if (kind !== 'directory' && !isHidden) return true
  }
  return false
}

function takeDirectory(trash: Trash, directory: string): boolean {
  try {
    trash.clearLater(trash.takePages(directory), directory)
    return true
  } catch {
    // A mount point, another user's directory, a name that is too long: what is in it is removed in place.
    return false
  }
}

function removeBelow({ files, layout }: Disk, directory: string): void {
  const failed = (_: string, thrown: unknown) => {
    if (directory !== ofTheFileSystem) throw thrown
  }
  for (const { path, kind, isHidden } of walk(files, layout.root, directory, { failed })) {
    if (kind !== 'directory' && !isHidden) files.unlink(layout.place(path))
  }
}
