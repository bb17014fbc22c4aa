/** How long this disk takes to make a write durable: what a commit waits for, before anything of ours. */
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs'
import path from 'node:path'
import { quantile, rounded } from '../rounds.js'

/** Below it, no disk was waited for: memory, or a cache that may lose it. */
export const suspiciousMs = 0.3

/** The median in milliseconds of overwriting 8 KB and fdatasync, in place, as PostgreSQL does with its log. */
export function measureFsync(directory: string, times = 50): number {
  const file = path.join(directory, 'fsync')
  const page = Buffer.alloc(8192, 'x')
  const fd = openSync(file, 'w')
  try {
    writeSync(fd, page, 0, page.length, 0)
    fdatasyncSync(fd)
    const took = Array.from({ length: times }, () => {
      const began = performance.now()
      writeSync(fd, page, 0, page.length, 0)
      fdatasyncSync(fd)
      return performance.now() - began
    })
    return rounded(quantile(took, 0.5))
  } finally {
    closeSync(fd)
    unlinkSync(file)
  }
}
