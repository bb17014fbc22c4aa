/**
 * Whether the machine has been started anew since the pages were kept.
 *
 * What the kernel had not written when the power went is lost in any order: an unlinked page can be back, a
 * renamed one empty or short. Which of them nobody can tell, so after a restart all pages are forgotten, unless
 * the site says that its restarts lose nothing (`trustsRestarts`). Where the system has no boot id (other than
 * Linux) nothing is noticed.
 */
import type { Disk } from './disk.js'
import { errnoOf, isAbsence } from './disk-error.js'
import { replaceFile } from './whole-file.js'

const bootIdPath = '/proc/sys/kernel/random/boot_id'

/** Calls `forget` when the pages are of another boot; then, that the pages are of this one is written down. */
export function noticeRestart(disk: Disk, trusts: boolean, forget: () => void): void {
  const bootId = textOf(disk, bootIdPath)
  if (bootId === '') return
  const known = textOf(disk, disk.layout.boot)
  if (known === bootId) return
  if (known !== '' && !trusts) forget()
  replaceFile(disk, disk.layout.boot, `${bootId}\n`)
}

function textOf({ files }: Disk, path: string): string {
  try {
    return files.text(path).trim()
  } catch (thrown) {
    if (isAbsence(thrown) || errnoOf(thrown) === 'EACCES') return ''
    throw thrown
  }
}
