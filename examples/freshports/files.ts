/** Looking at directories: what is there, and which pages a cache directory holds, as `find` would show them. */
import { access, readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** The kept pages below `directory` as keys, sorted; what the store keeps for itself (`.pagekeep`) is left out. */
export async function keptPages(directory: string): Promise<string[]> {
  for (;;) {
    try {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
        .filter((key) => !key.startsWith('.pagekeep/'))
        .sort()
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
      // Nothing is kept yet; or a directory went while it was being read, since pages are evicted meanwhile.
      if (!(await exists(directory))) return []
    }
  }
}
