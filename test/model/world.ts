/**
 * What the processes of the disk model share: one key's page, its fills, the directory it lies in, its record,
 * the eviction log and one tag log. A name is a cell that holds what it names; an inode is known by a small id.
 *
 * Fill `f` writes inode `f + 1`, whose content is the version of the data that its render read (plus one), or 0
 * while it is not wholly written. A token's name is never used twice: once it is gone it is forgotten by all who
 * had listed it, for nothing they do with it can succeed.
 */
import { type Cell, type Memory, Plan } from './memory.js'

export interface WorldOptions {
  /** How many processes render, and how many fills each makes, one after the other. */
  readonly renderers: number
  readonly fills: number
  /** How often the data changes; each change is followed by an eviction. */
  readonly commits: number
  /** How many processes are killed, at any step. */
  readonly kills: number
  /** How often a process removes the token of another that it believes dead, be it right or wrong. */
  readonly suspicions: number
  /** What there is of the eviction log in the beginning (default: a log). Only one that is made by hand has no name. */
  readonly log?: 'missing' | 'unnamed'
}

/** How many of each there can be at a time, those included that have no name but are held open. */
export interface Supplies {
  readonly directories: number
  readonly buckets: number
  readonly logs: number
}

export class World {
  readonly plan = new Plan()
  readonly fillCount: number
  /** How many changes were committed; how many of them were evicted, with the eviction reported as done. */
  readonly version = this.plan.cell('version')
  readonly acknowledged = this.plan.cell('acknowledged')
  readonly kills: Cell
  readonly suspicions: Cell
  /** The set of fills whose token exists. */
  readonly tokens = this.plan.cell('tokens')
  /** The inode that the lock names. */
  readonly lock = this.plan.cell('lock')
  readonly contents: readonly Cell[]
  /** The directory at the page's parent path; the page in each directory; directories removed for good; in trash. */
  readonly directory = this.plan.cell('directory', 1)
  readonly entries: readonly Cell[]
  readonly removedDirectories = this.plan.cell('removed directories')
  readonly trash = this.plan.cell('trash')
  /** The fill whose record lies at the record's path (plus one), the inode number it names, each fill's own number. */
  readonly record = this.plan.cell('record')
  readonly recordNumber = this.plan.cell('record number')
  readonly numbers: readonly Cell[]
  /** The eviction log, and the one that has no name, if there is one. */
  readonly log: Cell
  readonly unnamedLog: Cell
  /** The tag log at its path, the set of tags registered in each, and in `compacting/` the name (a count) of each. */
  readonly bucket: Cell
  readonly registered: readonly Cell[]
  readonly parts: readonly Cell[]
  /** Cells that hold sets of fills, and cells that hold the inode of a fill. */
  readonly fillSets: Cell[] = []
  readonly inodeCells: Cell[] = []

  readonly #supplies: Supplies
  readonly #fillsOfRenderer: number
  /** Cells with sets of tokens that a process has listed, and with ids that a process holds open. */
  readonly #listings: Cell[] = []
  readonly #heldBuckets: Cell[] = []
  readonly #heldLogs: Cell[] = []
  readonly #heldDirectories: Cell[] = []
  readonly #heldInodes: Cell[] = []
  /** The variables of each renderer. */
  readonly #renderers: Cell[][] = []

  constructor(options: WorldOptions, supplies: Supplies) {
    this.#supplies = supplies
    this.#fillsOfRenderer = options.fills
    this.fillCount = options.renderers * options.fills
    if (this.fillCount > 8) throw new RangeError('Expected at most eight fills')
    this.kills = this.plan.cell('kills', options.kills)
    this.suspicions = this.plan.cell('suspicions', options.suspicions)
    this.contents = this.plan.cells('content of', this.fillCount)
    this.numbers = this.plan.cells('number of', this.fillCount)
    this.entries = this.plan.cells('entry of directory', supplies.directories)
    this.log = this.plan.cell('log', supplies.logs > 0 && options.log !== 'missing' ? 1 : 0)
    this.unnamedLog = this.plan.cell('log without a name', options.log === 'unnamed' ? 1 : 0)
    this.bucket = this.plan.cell('bucket', supplies.buckets > 0 ? 1 : 0)
    this.registered = this.plan.cells('registered in', supplies.buckets)
    this.parts = this.plan.cells('part', supplies.buckets)
    this.fillSets.push(this.tokens)
    this.inodeCells.push(this.lock, this.record, ...this.entries)
  }

  /** A cell for the tokens that a process has listed. */
  listing(name: string): Cell {
    const cell = watched(this.#listings, this.plan.cell(name))
    return watched(this.fillSets, cell)
  }

  inodeCell(name: string): Cell {
    return watched(this.inodeCells, this.plan.cell(name))
  }

  /** Cells for what a process holds open: nothing else gets its id meanwhile. */
  holdInode(name: string): Cell {
    return watched(this.#heldInodes, this.inodeCell(name))
  }
  holdBucket(name: string): Cell {
    return watched(this.#heldBuckets, this.plan.cell(name))
  }
  holdLog(name: string): Cell {
    return watched(this.#heldLogs, this.plan.cell(name))
  }
  holdDirectory(name: string): Cell {
    return watched(this.#heldDirectories, this.plan.cell(name))
  }

  /** Declares that renderers may be exchanged: `cells` are one's variables, in the same order for each. */
  isRenderer(cells: readonly Cell[]): void {
    this.#renderers.push([...cells])
  }

  createToken(m: Memory, fill: number): void {
    m.add(this.tokens, fill)
    m.set(this.contents[fill] as Cell, 0)
    m.set(this.numbers[fill] as Cell, lowestFree(m, this.numbers, [], this.fillCount))
  }

  hasToken(m: Memory, fill: number): boolean {
    return m.has(this.tokens, fill)
  }

  /** The name is gone, for good. */
  removeToken(m: Memory, fill: number): undefined {
    m.remove(this.tokens, fill)
    for (const listing of this.#listings) m.remove(listing, fill)
  }

  removeRecord(m: Memory): undefined {
    m.set(this.record, 0)
    m.set(this.recordNumber, 0)
  }

  /** The inode at the page's path, 0 for none. */
  page(m: Memory): number {
    const directory = m.get(this.directory)
    return directory === 0 ? 0 : m.get(this.entries[directory - 1] as Cell)
  }

  setPage(m: Memory, directory: number, inode: number): void {
    m.set(this.entries[directory - 1] as Cell, inode)
  }

  makeDirectory(m: Memory): void {
    if (m.get(this.directory) !== 0) return
    const inTrash = this.entries.map((_, at) => (m.has(this.trash, at) ? at + 1 : 0))
    const id = lowestFree(m, this.#heldDirectories, inTrash, this.#supplies.directories)
    m.remove(this.removedDirectories, id - 1)
    m.set(this.entries[id - 1] as Cell, 0)
    m.set(this.directory, id)
  }

  /** How many names an inode has. */
  linksOf(m: Memory, inode: number): number {
    return (m.get(this.lock) === inode ? 1 : 0) + this.#filesOf(m, inode)
  }

  /** What `open` with O_CREAT finds at the tag log's path. */
  openBucket(m: Memory): number {
    if (m.get(this.bucket) === 0) {
      const parts = this.parts.map((part, at) => (m.get(part) === 0 ? 0 : at + 1))
      const id = lowestFree(m, this.#heldBuckets, parts, this.#supplies.buckets)
      m.set(this.registered[id - 1] as Cell, 0)
      m.set(this.bucket, id)
    }
    return m.get(this.bucket)
  }

  /** What `link` does with a draft that has a name in it: nothing where there is a log. */
  linkLog(m: Memory): void {
    if (m.get(this.log) !== 0) return
    const id = lowestFree(m, this.#heldLogs, [], this.#supplies.logs)
    if (m.get(this.unnamedLog) === id) m.set(this.unnamedLog, 0)
    m.set(this.log, id)
  }

  /** Forgets what no name and no process leads to, so that states that differ in nothing else are one. */
  tidy(m: Memory): void {
    for (let fill = 0; fill < this.fillCount; fill++) {
      const isFile = this.#filesOf(m, fill + 1) > 0
      if (!isFile) m.set(this.contents[fill] as Cell, 0)
      if (isFile || m.get(this.lock) === fill + 1 || isAmong(m, this.#heldInodes, fill + 1)) continue
      m.set(this.numbers[fill] as Cell, 0)
    }
    for (let at = 0; at < this.registered.length; at++) {
      const isNamed = m.get(this.bucket) === at + 1 || m.get(this.parts[at] as Cell) !== 0
      if (!isNamed && !isAmong(m, this.#heldBuckets, at + 1)) m.set(this.registered[at] as Cell, 0)
    }
    const unnamed = m.get(this.unnamedLog)
    if (unnamed !== m.get(this.log) && !isAmong(m, this.#heldLogs, unnamed)) m.set(this.unnamedLog, 0)
    for (let at = 0; at < this.entries.length; at++) {
      const isInTrash =
        m.has(this.trash, at) && m.get(this.lock) !== 0 && m.get(this.entries[at] as Cell) === m.get(this.lock)
      // When nobody is on his way into it, it makes no difference when a directory in the trash is deleted.
      if (m.get(this.directory) === at + 1 || isInTrash || isAmong(m, this.#heldDirectories, at + 1)) continue
      m.set(this.entries[at] as Cell, 0)
      m.remove(this.removedDirectories, at)
      m.remove(this.trash, at)
    }
    // Of two renderers in each other's place it makes no difference which is which: bubble sort.
    for (let end = this.#renderers.length - 1; end > 0; end--) {
      for (let at = 0; at < end; at++) if (this.#isAfter(m, at)) this.#exchange(m, at)
    }
  }

  /** P1 and P3. */
  violation(m: Memory): string | undefined {
    const page = this.page(m)
    if (page === 0) return undefined
    const content = m.get(this.contents[page - 1] as Cell)
    if (content === 0) return 'torn: the page is an incomplete file'
    if (content - 1 >= m.get(this.acknowledged)) return undefined
    return `stale: the page shows version ${content - 1}, version ${m.get(this.acknowledged)} was evicted`
  }

  /** Names that lead to an inode's content: the lock is opened by nobody. */
  #filesOf(m: Memory, inode: number): number {
    let count = m.has(this.tokens, inode - 1) ? 1 : 0
    for (const entry of this.entries) if (m.get(entry) === inode) count++
    return count
  }

  #isAfter(m: Memory, at: number): boolean {
    const one = this.#renderers[at] as Cell[]
    const other = this.#renderers[at + 1] as Cell[]
    for (let index = 0; index < one.length; index++) {
      const difference = m.get(one[index] as Cell) - m.get(other[index] as Cell)
      if (difference !== 0) return difference > 0
    }
    return false
  }

  #exchange(m: Memory, at: number): void {
    const swap = (one: Cell, other: Cell) => {
      const value = m.get(one)
      m.set(one, m.get(other))
      m.set(other, value)
    }
    const one = this.#renderers[at] as Cell[]
    for (let index = 0; index < one.length; index++) {
      swap(one[index] as Cell, (this.#renderers[at + 1] as Cell[])[index] as Cell)
    }
    for (let count = 0; count < this.#fillsOfRenderer; count++) {
      const fill = at * this.#fillsOfRenderer + count
      const partner = fill + this.#fillsOfRenderer
      swap(this.contents[fill] as Cell, this.contents[partner] as Cell)
      swap(this.numbers[fill] as Cell, this.numbers[partner] as Cell)
      for (const cell of this.inodeCells) {
        const inode = m.get(cell)
        if (inode === fill + 1) m.set(cell, partner + 1)
        else if (inode === partner + 1) m.set(cell, fill + 1)
      }
      for (const cell of this.fillSets) {
        const set = m.get(cell)
        if (((set >> fill) & 1) !== ((set >> partner) & 1)) m.set(cell, set ^ (1 << fill) ^ (1 << partner))
      }
    }
  }
}

function watched(list: Cell[], cell: Cell): Cell {
  list.push(cell)
  return cell
}

function isAmong(m: Memory, cells: readonly Cell[], id: number): boolean {
  for (const cell of cells) if (m.get(cell) === id) return true
  return false
}

/** Ids are used again as soon as nothing leads to them, as file systems do with inode numbers. */
function lowestFree(m: Memory, cells: readonly Cell[], others: readonly number[], most: number): number {
  let id = 1
  while (isAmong(m, cells, id) || others.includes(id)) id++
  if (id > most) throw new RangeError('The model has run out of ids')
  return id
}
