/**
 * The judgement of one page that somebody got: whole, and not older than what had been acknowledged before.
 *
 * Most visits meet a page that this process has judged before. Its bytes are then compared with a copy of those that
 * were found whole, each time, which costs a tenth of a checksum and says the same.
 */
import type { Board } from './board.js'
import type { Counting } from './counting.js'
import { bytesOf, type PageText, readPageText } from './page-text.js'

export interface Sighting {
  readonly page: number
  readonly body: string | Uint8Array
  /** `Board.note` from before the page was asked for. */
  readonly notes: Buffer
  /** Who looked, for the record. */
  readonly way: string
}

/** A page that was whole, as text and as bytes of our own: nobody else writes into those. */
interface Whole {
  readonly text: PageText
  readonly string: string
  readonly bytes: Buffer
}

const lastWhole = new Map<number, Whole>()

/** Counts an operation, and what is wrong with it. Returns the page if it is whole. */
export function judge(board: Board, counting: Counting, { page, body, notes, way }: Sighting): PageText | undefined {
  counting.count('ops')
  const text = wholeText(body, page)
  if (text === undefined) {
    counting.find('tornReads', { way, page, bytes: body.length, start: Buffer.from(body).toString('latin1', 0, 80) })
    return undefined
  }
  const { versions } = text
  for (let at = 0; at < versions.length; at += 2) {
    const row = versions[at] ?? 0
    const version = versions[at + 1] ?? 0
    const acknowledged = board.acknowledgedIn(notes, row)
    if (version >= acknowledged) continue
    counting.find('staleReads', { way, page, row, version, acknowledged, id: text.id })
    break
  }
  return text
}

/** At rest: the first row of which the page is older than the database, if there is one. */
export function staleRow(board: Board, { versions }: PageText): { row: number; is: number; was: number } | undefined {
  for (let at = 0; at < versions.length; at += 2) {
    const row = versions[at] ?? 0
    const was = versions[at + 1] ?? 0
    const is = board.version(row)
    if (is !== was) return { row, is, was }
  }
  return undefined
}

function wholeText(body: string | Uint8Array, page: number): PageText | undefined {
  const known = lastWhole.get(page)
  if (known !== undefined) {
    if (typeof body === 'string' ? body === known.string : known.bytes.equals(body)) return known.text
  }
  const text = readPageText(body, page)
  if (text !== undefined) {
    const bytes = Buffer.from(bytesOf(body))
    lastWhole.set(page, { text, string: bytes.toString('latin1'), bytes })
  }
  return text
}
