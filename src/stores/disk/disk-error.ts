/**
 * What the file system said, as an error that names the place and says what to do.
 * `store-unusable` is a fault of the directory, `store-failed` one of the moment (disk full, too many files).
 */
import { type ErrorCode, PagekeepError, reasonOf } from '../../core/errors.js'

const permissionAdvice =
  'Give the user of this process read and write permission on the cache directory; where several users share it, ' +
  'give all their stores fileMode: 0o664 and directoryMode: 0o2775, and the directory a group of theirs.'

const advice: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EACCES: ['store-unusable', permissionAdvice],
  EPERM: ['store-unusable', permissionAdvice],
  EROFS: ['store-unusable', 'The file system is read-only: mount it writable, or name another directory.'],
  ENOTDIR: ['store-unusable', 'A file stands where a directory is needed: remove it, or name another directory.'],
  EEXIST: ['store-unusable', 'A file stands where a directory is needed: remove it, or name another directory.'],
  ELOOP: ['store-unusable', 'Its symbolic links lead in a circle: repair them, or name another directory.'],
  EXDEV: [
    'store-unusable',
    'Pages and ".pagekeep" must lie on one mount: give each mounted directory a DiskStore of its own.',
  ],
  ENOSPC: ['store-failed', 'The disk is full: free some space or inodes.'],
  EDQUOT: ['store-failed', 'The quota is used up: free some space, or raise it.'],
  EMFILE: ['store-failed', 'Too many files are open: raise the limit of this process (ulimit -n).'],
  ENFILE: ['store-failed', 'Too many files are open on this machine: raise fs.file-max.'],
  ENAMETOOLONG: ['store-failed', 'Use shorter keys, or a cache directory with a shorter path.'],
}

const otherwise: readonly [ErrorCode, string] = ['store-failed', 'Look at the cache directory and its file system.']

/** The system's name of an error, `ENOENT` and such. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** Whether the disk is full, or the quota used up. */
export function saysFull(thrown: unknown): boolean {
  const errnos = [errnoOf(thrown), errnoOf((thrown as { cause?: unknown } | undefined)?.cause)]
  return errnos.includes('ENOSPC') || errnos.includes('EDQUOT')
}

/** An error that reads `Could not <act>: <reason>. <advice>`. */
export function diskError(act: string, cause: unknown, key?: string): PagekeepError {
  if (cause instanceof PagekeepError) return cause
  const [code, hint] = advice[errnoOf(cause) ?? ''] ?? otherwise
  return new PagekeepError(code, `Could not ${act}: ${reasonOf(cause)}. ${hint}`, {
    store: 'disk',
    cause,
    ...(key !== undefined && { key }),
  })
}

/** Whether `thrown` says that there is no such file, for whatever reason a path leads nowhere. */
export function isAbsence(thrown: unknown): boolean {
  const code = errnoOf(thrown)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ELOOP'
}
