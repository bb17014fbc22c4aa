/** What `fork.c` adds to Node, compiled by the system's C compiler into a directory of the run. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'

export interface ForkAddon {
  /** The child's number; 0 in the child; -1 when there is none. From a callback of `setImmediate` only. */
  fork(): number
  /** The status of a child that has ended, as `waitpid` gives it, or -1. */
  wait(pid: number, blocks: 0 | 1): number
  pid(): number
  exit(code: number): never
}

/** The path of the addon; `undefined` where it cannot be had: no C compiler, or not Linux. */
export function compileAddon(directory: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const addon = path.join(directory, 'fork.node')
  const source = path.join(import.meta.dirname, 'fork.c')
  const { status } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', addon, source, '-ldl', '-lpthread'], {
    stdio: 'ignore',
  })
  return status === 0 ? addon : undefined
}
