import { readdirSync, readlinkSync } from 'node:fs'

/** What this process holds open whose path begins with `prefix`, be it deleted; nothing where the system does not tell. */
export function openFiles(prefix: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(prefix) ? [path] : []
    } catch {
      return []
    }
  })
}
