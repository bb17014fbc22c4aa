/**
 * What dead processes left: tokens, locks, drafts, trash. Removing a token dooms a fill and nothing else,
 * so a wrong suspicion is safe; it is done once, in the background of a store's first use.
 */

import { type Disk, Slices } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import { dropAbandonedLock } from './lease.js'
import { lockName, readLeaseName } from './lease-name.js'
import type { TagCompaction } from './tag-compaction.js'
import type { Trash } from './trash.js'

export async function clearLeftovers(disk: Disk, trash: Trash, compaction: TagCompaction): Promise<void> {
  // Whoever waits for the store's first answer comes first.
  await new Slices().pause()
  try {
    clearLeases(disk)
    clearDrafts(disk)
    compaction.adopt()
    await trash.adopt()
  } catch (thrown) {
    if (!isAbsence(thrown)) disk.fault(diskError(`clean up after others in "${disk.layout.home}"`, thrown))
  }
}

function clearLeases(disk: Disk): void {
  const { files, layout } = disk
  const names = files.names(layout.leases)
  const leases = names.map((name) => ({ name, ...readLeaseName(name) }))
  for (const { name, stem, token } of leases) {
    if (token === undefined) continue
    const inode = removeIfAbandoned(disk, `${layout.leases}/${name}`, token)
    const lock = `${layout.leases}/${lockName(stem)}`
    if (inode !== undefined && files.lstat(lock)?.ino === inode) files.unlink(lock)
  }
  for (const { name, token } of leases) if (token === undefined) dropAbandonedLock(disk, `${layout.leases}/${name}`)
}

function clearDrafts(disk: Disk): void {
  const { files, layout } = disk
  for (const token of files.names(layout.temp)) removeIfAbandoned(disk, `${layout.temp}/${token}`, token)
}

/** The inode of what was removed. */
function removeIfAbandoned({ files, owner }: Disk, path: string, token: string): bigint | undefined {
  const stats = files.lstat(path)
  if (stats === undefined || !owner.isAbandoned(token, Number(stats.mtimeMs))) return undefined
  try {
    files.unlink(path)
    return stats.ino
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw thrown
  }
}
