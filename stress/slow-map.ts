/**
 * A Map behind Keyv's adapter interface that answers later, after one or several turns of the event loop:
 * in one process, that is what lets calls of different callers come between each other.
 */
import { EventEmitter } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { Random } from './random.js'

export class SlowMap extends EventEmitter {
  /** By its dialect Keyv tells whether an adapter has an iterator. */
  readonly opts = { dialect: 'redis', url: '' }
  readonly #random: Random
  readonly #map = new Map<string, unknown>()

  constructor(random: Random) {
    super()
    this.#random = random
  }

  async get(key: string): Promise<unknown> {
    await this.#wait()
    const value = this.#map.get(key)
    await this.#wait()
    return value
  }

  async getMany(keys: string[]): Promise<unknown[]> {
    await this.#wait()
    const values = keys.map((key) => this.#map.get(key))
    await this.#wait()
    return values
  }

  async set(key: string, value: unknown): Promise<void> {
    await this.#wait()
    this.#map.set(key, value)
    await this.#wait()
  }

  async delete(key: string): Promise<boolean> {
    await this.#wait()
    return this.#map.delete(key)
  }

  async clear(): Promise<void> {
    this.#map.clear()
  }

  async *iterator(): AsyncGenerator<[string, unknown]> {
    yield* [...this.#map]
  }

  async #wait(): Promise<void> {
    if (this.#random.isLess(0.2)) await setImmediate()
  }
}
