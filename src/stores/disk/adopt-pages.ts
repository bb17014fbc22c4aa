/**
 * Pages that are in no segment of the publish log, because they were kept without a size limit: found once, by
 * a walk, and logged as the oldest. `lru/complete` says that it was done and that all pages since are logged.
 */
import { keyProblem } from '../../core/key.js'
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import { readLeaseName } from './lease-name.js'
import { type LogLine, readSegmentName } from './log-segment.js'
import { readRecord, recordBit } from './page-record.js'
import type { PublishLog } from './publish-log.js'
import { walk } from './walk.js'

const mark = 'complete'
const lockStem = 'adopting'

/** What a page counts for: whole blocks of 4096 bytes, and 512 for a record. */
export function countedBytes(size: number, hasRecord: boolean): number {
  return Math.ceil(size / 4096) * 4096 + (hasRecord ? 512 : 0)
}

export function isLogComplete({ files, layout }: Disk): boolean {
  return files.lstat(`${layout.lru}/${mark}`) !== undefined
}

/** To be said by a process that keeps pages without logging them. Never throws. */
export function markLogIncomplete(disk: Disk): void {
  try {
    if (isLogComplete(disk)) disk.files.unlink(`${disk.layout.lru}/${mark}`)
  } catch {
    // A process with a limit would miss some pages; this one does its work all the same.
  }
}

/** Logs all pages, unless another process is doing it. Pages kept meanwhile may be logged twice. */
export function* adoptPages(disk: Disk, log: PublishLog, segmentLines: number): Generator<void> {
  const { files, layout, owner, fileMode, directoryMode } = disk
  makeDirectory(files, layout.lru, directoryMode)
  const token = owner.mint()
  const lock = `${layout.lru}/${lockStem}~${token}`
  try {
    files.close(files.open(lock, openFlags.create, fileMode))
    if (isAnotherAtIt(disk, token)) return
    log.close()
    removeSegments(disk)
    let lines: LogLine[] = []
    let count = 0
    for (const { path, kind, isHidden } of walk(files, layout.root, '')) {
      if (++count % 256 === 0) yield
      const key = kind === 'file' && !isHidden ? layout.keyAt(path) : undefined
      if (key === undefined || keyProblem(key) !== undefined) continue
      const line = lineOf(disk, key)
      if (line !== undefined) lines.push(line)
      if (lines.length < segmentLines) continue
      log.write(lines, 0)
      lines = []
    }
    log.write(lines, 0)
    files.close(files.open(`${layout.lru}/${mark}`, openFlags.append, fileMode))
  } finally {
    // Retired even if the lock stays: then the next sweep takes it for a dead process's.
    owner.retire(token)
    if (files.lstat(lock) !== undefined) files.unlink(lock)
  }
}

/** Of two that begin at the same moment neither goes on: each tries again at its next sweep. */
function isAnotherAtIt(disk: Disk, own: string): boolean {
  const { files, layout, owner } = disk
  for (const name of files.names(layout.lru)) {
    const { stem, token } = readLeaseName(name)
    if (stem !== lockStem || token === undefined || token === own) continue
    const stats = files.lstat(`${layout.lru}/${name}`)
    if (stats === undefined) continue
    if (!owner.isAbandoned(token, Number(stats.mtimeMs))) return true
    removeIfThere(disk, name)
  }
  return false
}

/** What was logged so far, by a process that died at it or before somebody kept pages without logging them. */
function removeSegments(disk: Disk): void {
  for (const name of disk.files.names(disk.layout.lru)) {
    if (readSegmentName(name)?.kind === 'full') removeIfThere(disk, name)
  }
}

function removeIfThere({ files, layout }: Disk, name: string): void {
  try {
    files.unlink(`${layout.lru}/${name}`)
  } catch (thrown) {
    if (!isAbsence(thrown)) throw thrown
  }
}

function lineOf(disk: Disk, key: string): LogLine | undefined {
  try {
    const stats = disk.files.lstat(disk.layout.page(key))
    if (!stats?.isFile()) return undefined
    const hasRecord = (Number(stats.mode) & recordBit) !== 0
    const expiresAtMs = hasRecord ? (readRecord(disk, key, stats)?.expiresAtMs ?? 0) : 0
    const bytes = countedBytes(Number(stats.size), hasRecord)
    return { bytes, inode: String(stats.ino), expiresAtMs: Math.ceil(expiresAtMs), key }
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw thrown
  }
}
