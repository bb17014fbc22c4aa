/**
 * What the file of a page holds, decoded. A file that is cut short or damaged, or claims to be longer than any page, is
 * no page: the fault is told, and whoever asked renders it anew.
 */
import { PagekeepError, reasonOf } from '../../core/errors.js'
import { decodeBody, decodeBodyLater } from './content-coding.js'
import type { Disk } from './disk.js'

/** `large` for a page of more than `maxBytes`; `undefined` for a damaged one. */
export function decodePage(disk: Disk, key: string, bytes: Buffer, maxBytes: number): Buffer | 'large' | undefined {
  try {
    return decodeBody(disk.layout.coding, bytes, maxBytes)
  } catch (thrown) {
    return damaged(disk, key, thrown)
  }
}

/** The same on a thread of the pool, whatever its length. */
export async function decodePageLater(disk: Disk, key: string, bytes: Buffer): Promise<Buffer | undefined> {
  try {
    return await decodeBodyLater(disk.layout.coding, bytes)
  } catch (thrown) {
    return damaged(disk, key, thrown)
  }
}

function damaged({ layout, fault }: Disk, key: string, cause: unknown): undefined {
  const message =
    `The page "${key}" is none: its file "${layout.page(key)}" could not be decoded (${layout.coding}: ${reasonOf(cause)}). ` +
    'It is rendered anew. Look at the disk, and at what else writes there.'
  fault(new PagekeepError('store-failed', message, { key, store: 'disk', cause }))
  return undefined
}
