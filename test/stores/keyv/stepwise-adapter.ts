/** A Keyv 5 adapter on a Map, whose operations wait for their turn and may lie: see `Lies`. */
import { Keyv } from 'keyv'
import { KeyvStore } from 'pagekeep/stores/keyv'

/** Takes the place of an operation of one process. `undefined`: do it as it is. */
export interface Lies {
  get?(key: string, honest: string | undefined): string | undefined
  /** `true`: taken care of. */
  set?(key: string, value: string): boolean
  /** What is written when the eviction believes itself done. */
  readonly later?: readonly (readonly [string, string])[]
}

export class StepwiseAdapter {
  readonly opts = { dialect: 'redis', url: '' }
  namespace: string | undefined
  readonly #records: Map<string, string>
  readonly #turn: () => Promise<void>
  readonly #lies: Lies
  /** Whether a `getMany` reads its halves at different times. */
  readonly #isTorn: boolean

  constructor(records: Map<string, string>, turn: () => Promise<void>, lies: Lies = {}, isTorn = false) {
    this.#records = records
    this.#turn = turn
    this.#lies = lies
    this.#isTorn = isTorn
  }

  async get(key: string): Promise<string | undefined> {
    await this.#turn()
    return this.#read(key)
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    await this.#turn()
    if (!this.#isTorn || keys.length < 2) return keys.map((key) => this.#read(key))
    const half = Math.ceil(keys.length / 2)
    const second = keys.slice(half).map((key) => this.#read(key))
    await this.#turn()
    return [...keys.slice(0, half).map((key) => this.#read(key)), ...second]
  }

  async set(key: string, value: string): Promise<boolean> {
    await this.#turn()
    if (this.#lies.set?.(key, value) !== true) this.#records.set(key, value)
    return true
  }

  async delete(key: string): Promise<boolean> {
    await this.#turn()
    return this.#records.delete(key)
  }

  async clear(): Promise<void> {
    this.#records.clear()
  }

  on(): void {}

  async *iterator(): AsyncGenerator<[string, string]> {
    await this.#turn()
    let count = 0
    for (const pair of this.#records) {
      yield pair
      count++
      if (count === 3) await this.#turn()
    }
  }

  #read(key: string): string | undefined {
    const honest = this.#records.get(key)
    return this.#lies.get === undefined ? honest : this.#lies.get(key, honest)
  }
}

export function storeOn(adapter: StepwiseAdapter): KeyvStore {
  return new KeyvStore({ keyv: new Keyv({ store: adapter as never, namespace: 'n' }) })
}
