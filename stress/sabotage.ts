/**
 * The disk store with one protection taken out, by system calls that do not say what they should: the
 * stress must find stale pages then, or it would not find them either when the store is wrong.
 */
import type { Files } from 'pagekeep/stores/disk'

/**
 * - `undoomed`: the list of renders in flight is always empty, so evictions doom none.
 * - `deaf`: the log of evicted tags never seems to grow, so renders do not learn of tags evicted meanwhile.
 * - `unchecked`: a page that was read before looks as it did then, so copies in memory are trusted for good.
 */
export const sabotages = ['undoomed', 'deaf', 'unchecked'] as const
export type Sabotage = (typeof sabotages)[number]

export function sabotaged(files: Files, sabotage: Sabotage): Files {
  if (sabotage === 'undoomed') {
    return { ...files, names: (directory) => (/\/leases(\.\w+)?$/.test(directory) ? [] : files.names(directory)) }
  }
  if (sabotage === 'unchecked') return withOldLooks(files)
  return {
    ...files,
    stat: (path) => {
      const stats = files.stat(path)
      if (stats !== undefined && path.endsWith('/evictlog')) stats.size = 0n
      return stats
    },
  }
}

function withOldLooks(files: Files): Files {
  const opened = new Map<number, string>()
  const looks = new Map<string, ReturnType<Files['fstat']>>()
  return {
    ...files,
    open: (path, flags, mode) => {
      const fd = files.open(path, flags, mode)
      if (/\.html(\.\w+)?$/.test(path)) opened.set(fd, path)
      else opened.delete(fd)
      return fd
    },
    fstat: (fd) => {
      const stats = files.fstat(fd)
      const path = opened.get(fd)
      if (path !== undefined) looks.set(path, stats)
      return stats
    },
    lstat: (path) => looks.get(path) ?? files.lstat(path),
  }
}
