/**
 * The set of states that were reached, in the order they were, each with the step that led to it: exact
 * (whole states are compared, not their hashes), and small: a state costs its bytes and about twenty more.
 */

const chunkBits = 15
const chunkLength = 1 << chunkBits

export class StateTable {
  readonly #width: number
  readonly #chunks: Uint8Array[] = []
  readonly #origins: Int32Array[] = []
  readonly #labels: Int32Array[] = []
  #slots = new Int32Array(1 << 16).fill(-1)
  #count = 0

  constructor(width: number) {
    this.#width = width
  }

  get size(): number {
    return this.#count
  }

  /** Adds `state`, reached from the state `origin` by `label`. Says whether it is new. */
  add(state: Uint8Array, origin: number, label: number): boolean {
    let slot = this.#slotOf(state)
    for (let found = this.#slots[slot] as number; found !== -1; found = this.#slots[slot] as number) {
      if (this.#isEqual(found, state)) return false
      slot = (slot + 1) & (this.#slots.length - 1)
    }
    this.#slots[slot] = this.#count
    const at = this.#count & (chunkLength - 1)
    if (at === 0) {
      this.#chunks.push(new Uint8Array(chunkLength * this.#width))
      this.#origins.push(new Int32Array(chunkLength))
      this.#labels.push(new Int32Array(chunkLength))
    }
    this.#chunks.at(-1)?.set(state, at * this.#width)
    this.#origins.at(-1)?.fill(origin, at, at + 1)
    this.#labels.at(-1)?.fill(label, at, at + 1)
    this.#count++
    if (this.#count * 2 > this.#slots.length) this.#grow()
    return true
  }

  /** Writes the state with this number into `into`. */
  read(index: number, into: Uint8Array): void {
    const start = (index & (chunkLength - 1)) * this.#width
    into.set((this.#chunks[index >> chunkBits] as Uint8Array).subarray(start, start + this.#width))
  }

  /** The labels on the way to the state with this number. */
  pathTo(index: number): number[] {
    const labels: number[] = []
    for (let at = index; at > 0; at = this.#origins[at >> chunkBits]?.[at & (chunkLength - 1)] as number) {
      labels.push(this.#labels[at >> chunkBits]?.[at & (chunkLength - 1)] as number)
    }
    return labels.reverse()
  }

  #slotOf(state: Uint8Array): number {
    let hash = 0x811c9dc5
    for (let at = 0; at < state.length; at++) hash = Math.imul(hash ^ (state[at] as number), 0x01000193)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 13
    return (hash >>> 0) & (this.#slots.length - 1)
  }

  #isEqual(index: number, state: Uint8Array): boolean {
    const chunk = this.#chunks[index >> chunkBits] as Uint8Array
    const start = (index & (chunkLength - 1)) * this.#width
    for (let at = 0; at < this.#width; at++) if (chunk[start + at] !== state[at]) return false
    return true
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const state = new Uint8Array(this.#width)
    for (let index = 0; index < this.#count; index++) {
      this.read(index, state)
      let slot = this.#slotOf(state)
      while (this.#slots[slot] !== -1) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = index
    }
  }
}
