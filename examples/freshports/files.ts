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
  if (!(await exists(directory))) return []
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error) => {
    // A directory may go while it is being read: pages are evicted meanwhile.
    if (error.code === 'ENOENT') return keptPages(directory)
    throw error
  })
  return entries
    .map((entry) =>
      typeof entry === 'string' ? entry : entry.isFile() ? relative(directory, join(entry.parentPath, entry.name)) : '',
    )
    .map((path) => path.split(sep).join('/'))
    .filter((key) => key !== '' && !key.startsWith('.pagekeep/'))
    .sort()
}
