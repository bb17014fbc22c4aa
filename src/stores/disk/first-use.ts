/**
 * The bookkeeping of a new directory, made aside and renamed into place as a whole: processes that start
 * together see none of it or all of it. Made in place it would look damaged for a moment, and whoever found
 * it so would begin it anew, dooming the first renders of the others.
 *
 * Only for a directory without pages: its tags are then all registered, for there are none.
 */
import { makeDirectory, removeEmptyDirectories } from './directories.js'
import type { Disk } from './disk.js'
import { errnoOf } from './disk-error.js'
import { openFlags } from './files.js'
import { setMode } from './whole-file.js'

/** Beside the pages, followed by a token. */
export const homeDraftPrefix = '.pagekeep-new-'

/** Does nothing when another process was faster. Throws what the system says. */
export function makeHome(disk: Disk): void {
  const { files, layout, owner, fileMode, directoryMode } = disk
  const token = owner.mint()
  const draft = `${layout.root}/${homeDraftPrefix}${token}`
  const inDraft = (path: string) => draft + path.slice(layout.home.length)
  try {
    for (const directory of layout.directories) makeDirectory(files, inDraft(directory), directoryMode)
    const fd = files.open(inDraft(layout.tagMarker), openFlags.create, fileMode)
    try {
      setMode(disk, fd)
    } finally {
      files.close(fd)
    }
    files.rename(draft, layout.home)
  } catch (thrown) {
    dropHomeDraft(disk, draft)
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(thrown) ?? '')) throw thrown
  } finally {
    owner.retire(token)
  }
}

/** What cannot be removed now is removed with what dead processes left (leftovers.ts). */
export function dropHomeDraft({ files, layout }: Disk, draft: string): void {
  const marker = draft + layout.tagMarker.slice(layout.home.length)
  try {
    if (files.lstat(marker) !== undefined) files.unlink(marker)
    removeEmptyDirectories(files, draft)
  } catch {
    // A directory that does not let go of a file shows it at the next call that matters.
  }
}
