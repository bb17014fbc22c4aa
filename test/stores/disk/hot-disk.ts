/**
 * The seam with what tests of hot copies need: a clock they move, a count of the pages that were opened, and file
 * times as coarse as they like. Without `tick` the times are the file system's own.
 */
import type { BigIntStats } from 'node:fs'
import { type Files, systemFiles } from 'pagekeep/stores/disk'
import type { PromptStore } from './stage.js'

/** More than a tick of any file system. */
export const longMs = 3000

export interface HotDisk {
  readonly files: Files
  /** The clock that only goes forward. */
  nowMs: number
  /** How many pages were opened for reading. */
  opened: number
}

/** `seen` may change what a stat says of a page. */
export function hotDisk(seen: (stats: BigIntStats) => void = () => undefined): HotDisk {
  const page = (path: string) => !path.includes('/.pagekeep') && /\.\w+$/.test(path)
  const look = (stats: BigIntStats | undefined) => {
    if (stats?.isFile()) seen(stats)
    return stats
  }
  const disk: HotDisk = {
    nowMs: 0,
    opened: 0,
    files: {
      ...systemFiles,
      monotonicMs: () => disk.nowMs,
      open(path, flags, mode) {
        if (page(path)) disk.opened++
        return systemFiles.open(path, flags, mode)
      },
      async openLater(path, flags) {
        if (page(path)) disk.opened++
        return systemFiles.openLater(path, flags)
      },
      lstat: (path) => look(systemFiles.lstat(path)),
      fstat: (fd) => look(systemFiles.fstat(fd)) as BigIntStats,
    },
  }
  return disk
}

/**
 * Every file has the same inode number, and the times of the tick in which it was first seen so: what a kernel with
 * a slow clock and a thrifty file system may say of one page that is put in another's place. A new tick begins when
 * the returned function is called.
 */
export function coarse(): { readonly seen: (stats: BigIntStats) => void; tick(): void } {
  const ticks = new Map<bigint, bigint>()
  let tick = 1n
  return {
    seen(stats) {
      const at = ticks.get(stats.ctimeNs) ?? tick
      ticks.set(stats.ctimeNs, at)
      Object.assign(stats, { ino: 7n, mtimeNs: at, ctimeNs: at })
    },
    tick: () => void tick++,
  }
}

/** Reads a page until it is answered from memory; returns it. */
export function heat(store: PromptStore, disk: HotDisk, key: string) {
  for (let reads = 0; reads < 3; reads++) {
    const before = disk.opened
    const page = store.get(key)
    if (disk.opened === before && page !== undefined) return page
    disk.nowMs += longMs
  }
  throw new Error(`"${key}" does not get hot`)
}
