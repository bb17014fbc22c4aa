/**
 * The disk store with one protection taken out, by system calls that do not say what they should: the
 * stress must find stale pages then, or it would not find them either when the store is wrong.
 */
import type { Files } from 'pagekeep/stores/disk'

/**
 * - `undoomed`: the list of renders in flight is always empty, so evictions doom none.
 * - `deaf`: the log of evicted tags never seems to grow, so renders do not learn of tags evicted meanwhile.
 */
export const sabotages = ['undoomed', 'deaf'] as const
export type Sabotage = (typeof sabotages)[number]

export function sabotaged(files: Files, sabotage: Sabotage): Files {
  if (sabotage === 'undoomed') {
    return { ...files, names: (directory) => (directory.endsWith('/leases') ? [] : files.names(directory)) }
  }
  return {
    ...files,
    stat: (path) => {
      const stats = files.stat(path)
      if (stats !== undefined && path.endsWith('/evictlog')) stats.size = 0n
      return stats
    },
  }
}
