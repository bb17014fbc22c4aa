/**
 * A page as a file. Plain text without an expiry or metadata is nothing but its bytes; all other pages,
 * empty ones too, have a record beside them, announced by a bit of the file's mode (page-record.ts).
 *
 * An empty file without a record is no page: a loss of power leaves such files.
 */
import type { KeptPage, NewPage } from '../../core/store.js'
import type { Disk } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import { type PageRecord, readRecord, recordBit } from './page-record.js'
import type { PartRecord } from './parts.js'
import { readAll } from './whole-file.js'

/** A page as it is read; `part` is for parts.ts alone. */
export interface ReadPage extends KeptPage {
  readonly part?: PartRecord
}

/** What is written for `page`: its bytes, and its record if it needs one. */
export function encodePage(
  page: NewPage,
  part: PartRecord | undefined,
): { readonly bytes: Uint8Array; readonly record: PageRecord | undefined } {
  const { body, renderBeganAtMs, expiresAtMs, renderMs, metadata } = page
  const isBytes = typeof body !== 'string'
  const bytes = isBytes ? body : Buffer.from(body)
  const isPlain = expiresAtMs === undefined && metadata === undefined && part === undefined
  if (!isBytes && isPlain && bytes.length > 0) return { bytes, record: undefined }
  const times = { ...(expiresAtMs !== undefined && { expiresAtMs }), ...(renderMs !== undefined && { renderMs }) }
  const rest = { ...(metadata !== undefined && { metadata }), ...(part !== undefined && { part }) }
  return { bytes, record: { isBytes, renderBeganAtMs, ...times, ...rest } }
}

/** The whole page of `key`, or `undefined` for anything else that may lie there. */
export function readPage(disk: Disk, key: string): ReadPage | undefined {
  const path = disk.layout.page(key)
  // A page that is replaced between its opening and the reading of its record is read once more.
  for (let attempt = 0; ; attempt++) {
    const read = readOnce(disk, key, path)
    if (typeof read !== 'bigint') return read
    if (attempt > 0 || disk.files.lstat(path)?.ino === read) return undefined
  }
}

/** The page; `undefined` for none; or the inode of a page without a fitting record. */
function readOnce(disk: Disk, key: string, path: string): ReadPage | bigint | undefined {
  const { files } = disk
  let fd: number
  try {
    fd = files.open(path, openFlags.read)
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw diskError(`open the page "${key}"`, thrown, key)
  }
  try {
    const stats = files.fstat(fd)
    if (!stats.isFile()) return undefined
    const size = Number(stats.size)
    const bytes = readAll(files, fd, size)
    if (bytes.length !== size) return undefined
    if ((Number(stats.mode) & recordBit) === 0) {
      return size === 0 ? undefined : { body: bytes.toString(), renderBeganAtMs: Number(stats.mtimeNs / 1_000_000n) }
    }
    const record = readRecord(disk, key, stats)
    if (record === undefined) return stats.ino
    const { isBytes, ...rest } = record
    return { body: isBytes ? bytes : bytes.toString(), ...rest }
  } catch (thrown) {
    throw diskError(`read the page "${key}"`, thrown, key)
  } finally {
    files.close(fd)
  }
}
