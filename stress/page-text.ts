/**
 * The text of a page: which page it is, the versions of the rows it was made from, filler, and a checksum
 * at the end, so that one look from outside tells whether it is whole and how old it is.
 */
import { crc32 } from 'node:zlib'

export interface PageText {
  readonly page: number
  /** Row and version, row and version, ... */
  readonly versions: readonly number[]
  /** Different for every page that was ever rendered. */
  readonly id: string
}

const endLength = '#00000000\n'.length

export function writePageText({ page, versions, id }: PageText, fillerLength: number): string {
  const head = `stress ${page} ${versions.join(',')} ${id} \n`
  const text = head + id.repeat(Math.ceil(fillerLength / id.length))
  return `${text}#${hex(crc32(text))}\n`
}

/** `undefined` for a text that is not whole, or not of this page. */
export function readPageText(body: string | Uint8Array, page: number): PageText | undefined {
  const text = typeof body === 'string' ? body : bytesOf(body).toString('latin1')
  const end = text.length - endLength
  if (end < 0 || text.slice(end) !== `#${hex(crc32(text.slice(0, end)))}\n`) return undefined
  const [word, number, versions = '', id = ''] = text.slice(0, text.indexOf('\n')).split(' ')
  if (word !== 'stress' || Number(number) !== page || versions === '') return undefined
  return { page, versions: versions.split(',').map(Number), id }
}

/** The bytes of a page, which is ASCII: those that were handed over, not a copy. */
export function bytesOf(body: string | Uint8Array): Buffer {
  return typeof body === 'string'
    ? Buffer.from(body, 'latin1')
    : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0')
}
