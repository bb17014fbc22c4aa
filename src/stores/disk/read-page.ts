/**
 * A page as it lies on the disk, whole or not at all: at once, or with promises where the disk may take its time.
 *
 * The stats are taken before the bytes are read: what changes afterwards makes the file differ from them.
 */
import type { BigIntStats } from 'node:fs'
import { decodePage, decodePageLater } from './coded-page.js'
import { decodeLater, decodeText } from './decode-text.js'
import type { Disk } from './disk.js'
import { diskError, isAbsence } from './disk-error.js'
import { streamedBody } from './file-stream.js'
import { openFlags } from './files.js'
import type { ReadPage } from './page-file.js'
import { type PageRecord, readRecord, readRecordLater, recordBit } from './page-record.js'
import { readAll, readAllLater } from './whole-file.js'

export interface FilePage {
  readonly page: ReadPage
  readonly stats: BigIntStats
  /** How long its body is, in bytes: as long as the file, or more in a coding. */
  readonly bytes: number
  /** Whether its body is the bytes of a text. */
  readonly isTextInBytes: boolean
}

export interface ReadForm {
  /** Leave a text in bytes. */
  readonly asBytes: boolean
  /** A file of more bytes is not read: the page comes with what reads it while it is sent. */
  readonly streamFrom: number
}

/** A page at once, and not at any price: above `maxBytes` it is `large`, and not read. */
export interface ReadOptions extends ReadForm {
  readonly maxBytes: number
}

const never = Number.POSITIVE_INFINITY

/** The whole page of `key`, or `undefined` for anything else that may lie there. */
export function readPage(disk: Disk, key: string): ReadPage | undefined {
  const read = readPageNow(disk, key, { maxBytes: never, asBytes: false, streamFrom: never })
  return read === 'large' ? undefined : read?.page
}

/** As `readPage`; `large` for a page of more than `maxBytes`, which is not read. */
export function readPageNow(disk: Disk, key: string, options: ReadOptions): FilePage | 'large' | undefined {
  const path = disk.layout.page(key)
  // A page that is replaced between its opening and the reading of its record is read once more.
  for (let attempt = 0; ; attempt++) {
    const read = readOnce(disk, key, path, options)
    if (typeof read !== 'bigint') return read
    if (attempt > 0 || disk.files.lstat(path)?.ino === read) return undefined
  }
}

export async function readPageLater(disk: Disk, key: string, form: ReadForm): Promise<FilePage | undefined> {
  const path = disk.layout.page(key)
  for (let attempt = 0; ; attempt++) {
    const read = await readOnceLater(disk, key, path, form)
    if (typeof read !== 'bigint') return read
    if (attempt > 0 || (await disk.files.lstatLater(path))?.ino === read) return undefined
  }
}

/** The page; `undefined` for none; or the inode of a page without a fitting record. */
function readOnce(
  disk: Disk,
  key: string,
  path: string,
  { maxBytes, asBytes, streamFrom }: ReadOptions,
): FilePage | 'large' | bigint | undefined {
  const { files } = disk
  let fd: number
  try {
    // An exception for each page that is not there would cost ten times as much.
    if (!files.exists(path) && files.lstat(path) === undefined) return undefined
    fd = files.open(path, openFlags.read)
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw diskError(`open the page "${key}"`, thrown, key)
  }
  try {
    const stats = files.fstat(fd)
    const size = Number(stats.size)
    if (isNoPage(stats)) return undefined
    if (size > streamFrom && !isCoded(disk)) {
      const record = hasRecord(stats) ? readRecord(disk, key, stats) : plain
      return record === undefined ? stats.ino : streamedPage(disk, key, record, stats)
    }
    if (size > maxBytes) return 'large'
    // What becomes a string at once needs no memory of its own, whose pages the kernel would have to find first.
    const isPlain = !hasRecord(stats)
    const stored = readAll(files, fd, size, 0, isPlain && !asBytes && !isCoded(disk) ? scratchOf(size) : undefined)
    if (stored.length !== size) return undefined
    const record = isPlain ? plain : readRecord(disk, key, stats)
    if (record === undefined) return stats.ino
    const bytes = decodePage(disk, key, stored, maxBytes)
    if (bytes === undefined || bytes === 'large') return bytes
    const body = record.isBytes || asBytes ? bytes : decodeText(bytes)
    return filePage(disk, { body, stored, record, stats }, bytes.length)
  } catch (thrown) {
    throw diskError(`read the page "${key}"`, thrown, key)
  } finally {
    files.close(fd)
  }
}

async function readOnceLater(
  disk: Disk,
  key: string,
  path: string,
  { asBytes, streamFrom }: ReadForm,
): Promise<FilePage | bigint | undefined> {
  const { files } = disk
  let fd: number
  try {
    fd = await files.openLater(path, openFlags.read)
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined
    throw diskError(`open the page "${key}"`, thrown, key)
  }
  try {
    const stats = await files.fstatLater(fd)
    const size = Number(stats.size)
    if (isNoPage(stats)) return undefined
    if (size > streamFrom && !isCoded(disk)) {
      const record = hasRecord(stats) ? await readRecordLater(disk, key, stats) : plain
      return record === undefined ? stats.ino : streamedPage(disk, key, record, stats)
    }
    const stored = await readAllLater(files, fd, size)
    if (stored.length !== size) return undefined
    const record = hasRecord(stats) ? await readRecordLater(disk, key, stats) : plain
    if (record === undefined) return stats.ino
    const bytes = await decodePageLater(disk, key, stored)
    if (bytes === undefined) return undefined
    const body = record.isBytes || asBytes ? bytes : await decodeLater(bytes)
    return filePage(disk, { body, stored, record, stats }, bytes.length)
  } catch (thrown) {
    throw diskError(`read the page "${key}"`, thrown, key)
  } finally {
    await files.closeLater(fd)
  }
}

const scratchBytes = 256 * 1024
let scratch: Buffer | undefined

function scratchOf(size: number): Buffer | undefined {
  if (size > scratchBytes) return undefined
  scratch ??= Buffer.allocUnsafeSlow(scratchBytes)
  return scratch.subarray(0, size)
}

type Described = Pick<PageRecord, 'isBytes'> & Partial<PageRecord>

const nothing = Buffer.alloc(0)

/** What is known of a page without a record. */
const plain: Described = { isBytes: false }

function hasRecord({ mode }: BigIntStats): boolean {
  return (Number(mode) & recordBit) !== 0
}

/** An empty file without a record is what a loss of power leaves. */
function isNoPage(stats: BigIntStats): boolean {
  return !stats.isFile() || (stats.size === 0n && !hasRecord(stats))
}

function isCoded({ layout }: Disk): boolean {
  return layout.coding !== 'identity'
}

interface Content {
  readonly body: ReadPage['body']
  /** As the file has it. */
  readonly stored: Buffer
  readonly record: Described
  readonly stats: BigIntStats
}

function filePage(disk: Disk, content: Content, bytes: number): FilePage {
  const { body, record, stats } = content
  const isTextInBytes = !record.isBytes && typeof body !== 'string'
  return { page: pageOf(disk, content), stats, bytes, isTextInBytes }
}

function streamedPage(disk: Disk, key: string, record: Described, stats: BigIntStats): FilePage {
  const page = pageOf(disk, { body: nothing, stored: nothing, record, stats })
  return { page: { ...page, streamed: streamedBody(disk, key, stats) }, stats, bytes: 0, isTextInBytes: false }
}

function pageOf(disk: Disk, { body, stored, record, stats }: Content): ReadPage {
  const { isBytes: _, renderBeganAtMs = Number(stats.mtimeNs / 1_000_000n), ...rest } = record
  if (!isCoded(disk)) return { body, renderBeganAtMs, ...rest }
  return { body, renderBeganAtMs, ...rest, encoded: { coding: disk.layout.coding, bytes: stored } }
}
