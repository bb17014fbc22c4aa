/**
 * The state of a model: a row of bytes with named cells, so that a state is copied in one call and compared
 * byte by byte. Everything that another process could notice, and every local variable, is a cell.
 */

/** Where a value lies. A value is a byte: a small number, an id (0 is none), or a set of up to eight bits. */
export type Cell = number

export class Plan {
  readonly names: string[] = []
  readonly #initial: number[] = []

  cell(name: string, initial = 0): Cell {
    this.names.push(name)
    return this.#initial.push(initial) - 1
  }

  cells(name: string, count: number): Cell[] {
    return Array.from({ length: count }, (_, index) => this.cell(`${name} ${index}`))
  }

  get size(): number {
    return this.#initial.length
  }

  start(): Memory {
    return new Memory(Uint8Array.from(this.#initial))
  }
}

/** Its changes return `undefined`, so that a step of one change is one expression. */
export class Memory {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get(cell: Cell): number {
    return this.bytes[cell] as number
  }

  set(cell: Cell, value: number): undefined {
    this.bytes[cell] = value
  }

  has(cell: Cell, bit: number): boolean {
    return ((this.bytes[cell] as number) & (1 << bit)) !== 0
  }

  add(cell: Cell, bit: number): undefined {
    this.bytes[cell] = (this.bytes[cell] as number) | (1 << bit)
  }

  remove(cell: Cell, bit: number): undefined {
    this.bytes[cell] = (this.bytes[cell] as number) & ~(1 << bit)
  }
}

export function countBits(set: number): number {
  let count = 0
  for (let rest = set; rest !== 0; rest &= rest - 1) count++
  return count
}

/** The bit of a set that has `rank` lower ones. */
export function bitAt(set: number, rank: number): number {
  let bit = 0
  for (let left = rank; ; bit++) {
    if (((set >> bit) & 1) === 1 && left-- === 0) return bit
    if (set >> bit === 0) throw new RangeError(`There is no bit ${rank} in ${set}`)
  }
}
