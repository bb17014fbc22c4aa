/** Directories made as they are needed, with the mode that was asked for, whatever the umask. */
import { dirname } from 'node:path'
import { errnoOf } from './disk-error.js'
import type { Files } from './files.js'

/** Makes `directory` and what is missing above it. What exists is left alone, even if it is no directory. */
export function makeDirectory(files: Files, directory: string, mode: number): void {
  try {
    makeOne(files, directory, mode)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT' || dirname(directory) === directory) throw thrown
    makeDirectory(files, dirname(directory), mode)
    makeOne(files, directory, mode)
  }
}

function makeOne(files: Files, directory: string, mode: number): void {
  try {
    files.mkdir(directory, mode)
    files.chmod(directory, mode)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EEXIST') throw thrown
  }
}

/** Removes `directory` if nothing but directories is in it. Says whether it is gone. */
export function removeEmptyDirectories(files: Files, directory: string): boolean {
  try {
    for (const entry of files.list(directory)) {
      if (!entry.isDirectory() || !removeEmptyDirectories(files, `${directory}/${entry.name}`)) return false
    }
    files.rmdir(directory)
    return true
  } catch (thrown) {
    return errnoOf(thrown) === 'ENOENT'
  }
}
