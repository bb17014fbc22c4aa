/**
 * Which coding the pages of a directory lie in. It belongs to the directory: a process that took it for another would
 * look for other files, and its evictions would leave every page where it is. So the directory says it, by the name
 * of the place for leases, without which nobody can begin a fill or an eviction:
 *
 * - It comes with `.pagekeep`, which is renamed into place as a whole (first-use.ts). Of two processes that begin at
 *   the same time and want different ones, one finds that of the other.
 * - It changes, by a process that was told to, while there are no pages, by renaming that place. Whoever used the old name
 *   misses it at its next fill or eviction, and comes here. Pages that he kept in that moment go, for the tags are
 *   no longer said to be whole, and so all pages are forgotten.
 * - Where somebody removed that place by hand, the mark of whole tags tells; where that is gone too, all pages are
 *   forgotten anyway.
 *
 * The place is made here only where none of any coding is, so it does not appear beside that of another.
 */
import { PagekeepError } from '../../core/errors.js'
import type { ContentCoding } from './content-coding.js'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { isAbsence } from './disk-error.js'
import { mayHoldPages } from './forget-pages.js'
import { codingsByLeases, codingsByMarker } from './layout.js'

interface CodingWish {
  /** `undefined`: whatever the directory has. */
  readonly wanted: ContentCoding | undefined
  /** Whether a directory without pages may be given another. Of those who use it already nobody does that, or two would quarrel. */
  readonly mayChange: boolean
}

/** Lets the layout use the coding of the directory. Throws `store-unusable` where that is not the one that is wanted. */
export function settleCoding(disk: Disk, { wanted, mayChange }: CodingWish): void {
  const { files, layout, directoryMode } = disk
  const [byLeases, other] = codingsByLeases(namesIn(disk, layout.home))
  if (byLeases !== undefined && other !== undefined) throw contradiction(disk, byLeases, other)
  const found = byLeases ?? foundByMarker(disk)
  if (found !== undefined && wanted !== undefined && wanted !== found) {
    if (!mayChange || mayHoldPages(disk)) throw refusal(disk, found, wanted)
    dropMarkers(disk)
    // Where it is gone, another process has done so in this moment.
    if (byLeases !== undefined && !renames(disk, layout.leasesOf(found), layout.leasesOf(wanted))) {
      settleCoding(disk, { wanted, mayChange })
      return
    }
  }
  layout.use(wanted ?? found ?? layout.coding)
  if (byLeases !== undefined) return
  makeDirectory(files, layout.leases, directoryMode)
  const [one, another] = codingsByLeases(namesIn(disk, layout.home))
  if (one === undefined || another === undefined) return
  try {
    // Each of two that see each other goes back, and comes again at its next use.
    files.rmdir(layout.leases)
  } catch {
    // It is in use; the message says what to do.
  }
  throw contradiction(disk, one, another)
}

/** Several say nothing: then the tags are no longer said to be whole, for pages may lie in any coding. */
function foundByMarker(disk: Disk): ContentCoding | undefined {
  const [found, ...others] = codingsByMarker(namesIn(disk, disk.layout.tags))
  if (others.length === 0) return found
  dropMarkers(disk)
  return undefined
}

function dropMarkers(disk: Disk): void {
  const { files, layout } = disk
  for (const coding of codingsByMarker(namesIn(disk, layout.tags))) {
    try {
      files.unlink(layout.markerOf(coding))
    } catch (thrown) {
      if (!isAbsence(thrown)) throw thrown
    }
  }
}

function renames({ files }: Disk, from: string, to: string): boolean {
  try {
    files.rename(from, to)
    return true
  } catch (thrown) {
    if (isAbsence(thrown)) return false
    throw thrown
  }
}

function namesIn({ files }: Disk, directory: string): readonly string[] {
  try {
    return files.names(directory)
  } catch (thrown) {
    // A file in its place is told by what follows.
    if (isAbsence(thrown)) return []
    throw thrown
  }
}

function refusal({ layout }: Disk, found: ContentCoding, wanted: ContentCoding): PagekeepError {
  return unusable(
    `the pages in "${layout.root}" lie in the coding "${found}", and this store was given coding: '${wanted}'`,
    `Give every process on the directory the same one, or none: then it goes by the directory. To change it, end them, remove the directory and begin anew, or name another.`,
  )
}

function contradiction({ layout }: Disk, one: ContentCoding, another: ContentCoding): PagekeepError {
  return unusable(
    `"${layout.root}" says that its pages lie in the codings "${one}" and "${another}"`,
    'End the processes that use it, remove the directory, and give all of them the same coding.',
  )
}

function unusable(reason: string, advice: string): PagekeepError {
  return new PagekeepError('store-unusable', `Could not use the cache directory: ${reason}. ${advice}`, {
    store: 'disk',
  })
}
