/** The judges of the stress, on files written by hand: they must see what is wrong, and nothing else. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leftoversIn } from '../../stress/audit-files.js'
import { Auditor } from '../../stress/auditor.js'
import { Board } from '../../stress/board.js'
import { Counting } from '../../stress/counting.js'
import { judge } from '../../stress/judge.js'
import { readPageText, writePageText } from '../../stress/page-text.js'
import { Random } from '../../stress/random.js'
import { Site } from '../../stress/site.js'

const site = new Site(8)
const seat = 0
let directory: string
let pages: string
let board: Board
let auditor: Auditor

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-auditor-'))
  pages = path.join(directory, 'pages')
  board = Board.create(path.join(directory, 'board'), site.rows, 1)
  auditor = new Auditor(pages, board, new Counting(board, seat, path.join(directory, 'findings')))
})

afterEach(() => {
  board.close()
  rmSync(directory, { recursive: true })
})

function keep(page: number, text: string): void {
  const file = path.join(pages, site.keyOf(page))
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const textOf = (page: number, version: number) =>
  writePageText({ page, versions: [site.homeOf(page), version], id: `test.${page}` }, 100)

describe('Auditor', () => {
  it('finds nothing wrong with pages that are whole and as new as the database', () => {
    keep(0, textOf(0, 1))
    keep(1, textOf(1, 1))
    auditor.watch()
    auditor.audit()
    expect(board.readTally(seat)).toMatchObject({ ops: 4, pagesAudited: 2, staleKept: 0, staleReads: 0, tornReads: 0 })
  })

  it('counts a page that is older than the database once, and says which', () => {
    board.commit(site.homeOf(1), 2)
    board.acknowledge(site.homeOf(1), 2)
    keep(0, textOf(0, 1))
    keep(1, textOf(1, 1))
    auditor.audit()
    auditor.audit()
    expect(board.readTally(seat)).toMatchObject({ staleKept: 1, tornReads: 0 })
    expect(readFileSync(path.join(directory, 'findings'), 'utf8')).toContain(`"path":"${site.keyOf(1)}"`)
  })

  it('bears with a page that is older than a commit whose eviction was not acknowledged', () => {
    keep(1, textOf(1, 1))
    board.commit(site.homeOf(1), 2)
    auditor.watch()
    expect(board.readTally(seat)).toMatchObject({ ops: 1, staleReads: 0 })
    board.acknowledge(site.homeOf(1), 2)
    auditor.watch()
    expect(board.readTally(seat)).toMatchObject({ ops: 2, staleReads: 1 })
  })

  it('refuses to audit while a commit is not acknowledged', () => {
    board.commit(3, 2)
    expect(() => auditor.audit()).toThrow('Not at rest: a commit of row 3')
  })

  it.each([
    ['cut short', (text: string) => text.slice(0, -5)],
    ['empty', () => ''],
    ['two pages in one', (text: string) => text.slice(0, 60) + textOf(2, 1).slice(60)],
    ['another page', () => textOf(2, 1)],
  ])('counts a page that is %s as torn', (_, tear) => {
    keep(0, tear(textOf(0, 1)))
    auditor.watch()
    expect(board.readTally(seat)).toMatchObject({ ops: 1, tornReads: 1, staleReads: 0 })
  })

  it('takes what starts with a dot for no page', () => {
    mkdirSync(path.join(pages, '.pagekeep/leases'), { recursive: true })
    writeFileSync(path.join(pages, '.pagekeep/leases/a~1'), 'half a pa')
    auditor.watch()
    expect(board.readTally(seat)).toMatchObject({ ops: 0, tornReads: 0 })
  })
})

describe('judge()', () => {
  it.each([
    ['bytes', (text: string) => Buffer.from(text)],
    ['text', (text: string) => text],
  ])('judges %s that it has seen before by what they are now', (_, bodyOf) => {
    const counting = new Counting(board, seat, path.join(directory, 'findings'))
    const notes = board.notes()
    board.note(notes)
    const look = (body: string | Uint8Array) => judge(board, counting, { page: 4, body, notes, way: 'test' })
    const body = bodyOf(textOf(4, 1))
    expect(look(body)).toEqual(look(body))
    // In place, as by a store that reads into memory which it has handed out.
    if (typeof body !== 'string') body[60] = 0
    expect(look(typeof body === 'string' ? body.replace('e', 'f') : body)).toBe(undefined)
    board.commit(site.homeOf(4), 2)
    board.acknowledge(site.homeOf(4), 2)
    board.note(notes)
    look(textOf(4, 1))
    counting.write()
    expect(board.readTally(seat)).toMatchObject({ ops: 4, tornReads: 1, staleReads: 1 })
  })
})

describe('leftoversIn()', () => {
  it('names what lies in the workshops', () => {
    for (const place of ['leases', 'temp', 'trash', 'tags'])
      mkdirSync(path.join(pages, '.pagekeep', place), { recursive: true })
    for (const file of ['leases/a~1', 'temp/1', 'tags/001']) writeFileSync(path.join(pages, '.pagekeep', file), '')
    keep(0, textOf(0, 1))
    expect(leftoversIn(pages)).toEqual(['.pagekeep/leases/a~1', '.pagekeep/temp/1'])
  })
})

describe('Board', () => {
  it('shares versions and tallies with whoever opens it later', () => {
    board.commit(5, 70_000)
    new Counting(board, seat, path.join(directory, 'findings')).find('tornReads', {})
    const other = Board.open(path.join(directory, 'board'), site.rows)
    expect([other.version(5), other.acknowledged(5), other.readTally(seat).tornReads]).toEqual([70_000, 1, 1])
    other.close()
  })

  it('tells which row was committed last, for visitors to go there', () => {
    board.commit(4, 2)
    board.commit(1, 2)
    const notes = board.notes()
    board.note(notes)
    expect(board.lastCommittedIn(notes)).toBe(1)
  })

  it('takes an acknowledgement that is half written for none', () => {
    const notes = board.notes()
    board.note(notes)
    expect(board.acknowledgedIn(notes, 2)).toBe(1)
    notes.writeUInt8(9, 2 * 16 + 8)
    expect(board.acknowledgedIn(notes, 2)).toBe(0)
  })
})

describe('Site', () => {
  it('evicts every page of a located row in each of its ways', () => {
    const random = new Random(1)
    const ways = new Set(Array.from({ length: 200 }, () => JSON.stringify(site.selectorsOf(0, 1, random))))
    const tag = { tag: site.tagOf(0, 1) }
    const expected = [
      [site.keyOf(0), site.keyOf(2), site.keyOf(4), site.keyOf(6)],
      ['rows/0/**'],
      ['rows/**'],
      ['rows/0/*.html'],
      [tag],
    ]
    expect([...ways].sort()).toEqual(expected.map((way) => JSON.stringify(way)).sort())
  })
})

describe('pageFrom()', () => {
  it("names pages of the row that is their home, and any page for a row that is nobody's", () => {
    const random = new Random(1)
    const pagesFrom = (row: number) => new Set(Array.from({ length: 300 }, () => site.pageFrom(row, random)))
    expect([...pagesFrom(1)].sort()).toEqual([1, 3, 5, 7])
    expect(pagesFrom(site.homes + 3).size).toBe(site.pages)
  })
})

describe('readPageText()', () => {
  it('reads what writePageText() wrote, as text and as bytes', () => {
    const page = { page: 7, versions: [1, 2, 9, 44], id: '12.3' }
    const text = writePageText(page, 5000)
    expect(readPageText(text, 7)).toEqual(page)
    expect(readPageText(Buffer.from(text), 7)).toEqual(page)
  })
})
