/**
 * The one step that makes a page visible: `rename(token, page)`. The kernel does it if, and only if, the
 * token still exists, so an eviction that unlinked the token cannot be overtaken.
 */
import { PagekeepError } from '../../core/errors.js'
import { makeDirectory, removeEmptyDirectories } from './directories.js'
import type { Disk } from './disk.js'
import { diskError, errnoOf } from './disk-error.js'

// Evictions that keep taking the parent directory away end this loop by dooming the token; this is for
// file systems that lie.
const maxAttempts = 1000

/** Renames the token at `lease` to the page of `key`, unless it is gone. Throws `key-conflict`. */
export function placePage(disk: Disk, lease: string, key: string): 'kept' | 'doomed' {
  const { files, layout, directoryMode } = disk
  const page = layout.page(key)
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    try {
      files.rename(lease, page)
      return 'kept'
    } catch (thrown) {
      const errno = errnoOf(thrown)
      if (errno === 'ENOENT') {
        if (files.lstat(lease) === undefined) return 'doomed'
        makeParent(disk, page, directoryMode, key)
      } else if (errno === 'ENOTDIR') {
        throw conflict(key, `there is a page at "${pageAbove(disk, key)}"`, thrown)
      } else if (files.lstat(page)?.isDirectory() !== true) {
        throw diskError(`keep the page "${key}"`, thrown, key)
      } else if (!removeEmptyDirectories(files, page)) {
        throw conflict(key, `there are pages below "${page.slice(layout.root.length + 1)}/"`, thrown)
      }
    }
  }
  throw new PagekeepError('store-failed', `Could not keep the page "${key}": its directory keeps vanishing.`, {
    key,
    store: 'disk',
  })
}

function makeParent(disk: Disk, page: string, mode: number, key: string): void {
  try {
    makeDirectory(disk.files, page.slice(0, page.lastIndexOf('/')), mode)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return
    if (errnoOf(thrown) === 'ENOTDIR') throw conflict(key, `there is a page at "${pageAbove(disk, key)}"`, thrown)
    throw diskError(`make the directory of the page "${key}"`, thrown, key)
  }
}

function pageAbove({ files, layout }: Disk, key: string): string {
  const segments = key.split('/')
  const above = segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'))
  const found = above.find((path) => files.lstat(layout.place(path))?.isDirectory() === false) ?? above.at(-1) ?? key
  return layout.keyAt(found) ?? found
}

function conflict(key: string, reason: string, cause: unknown): PagekeepError {
  return new PagekeepError(
    'key-conflict',
    `"${key}" cannot be kept, because ${reason}: a file and a directory cannot share a name. ` +
      'Give one of the routes another ending, such as "/index.html".',
    { key, store: 'disk', cause },
  )
}
