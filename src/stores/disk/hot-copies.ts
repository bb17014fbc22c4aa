/**
 * Pages in the memory of this process, each good for as long as one `lstat` says that its file is the one that
 * was read: device, inode, size, mtime and ctime, exact to the nanosecond. So an eviction by any process, or by
 * hand, is seen at once, and nobody has to be told. Decision 0016.
 *
 * A file can change twice within one tick of its file system's clock, and the second change leaves no trace in the
 * times (what git calls racy). So a copy is taken only when a page is read whose ctime had been seen a tick or more
 * before: whatever changed in that tick had changed when the copy was read. No two clocks are compared for this.
 * That is also what admits pages: one that is read once, as by a crawler, is only remembered as seen.
 *
 * Where there is no room, copies that were never used again make some first, then those used least recently (a
 * segmented LRU, Karedla 1994). It makes no system call itself and knows no key but as a name.
 */
import type { BigIntStats } from 'node:fs'
import { LRUCache } from 'lru-cache'
import type { KeptPage } from '../../core/store.js'

/** What tells a file from another, and from itself after a change. */
export type Identity = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>

export interface Copy {
  readonly page: KeptPage
  /** Whether its body is the bytes of a text. */
  readonly isTextInBytes: boolean
  readonly identity: Identity
  readonly bytes: number
}

/** That the file system's clock had come to this ctime, in whole microseconds or so, at that time. */
interface Sighting {
  readonly ctimeNs: number
  readonly atMs: number
}

/** Longer than a tick of any kernel (10 ms at 100 Hz), with as much again to spare. */
const tickMs = 20
/** Where times are whole seconds (ext3, or ext4 with small inodes; FAT has two) they may come so far apart. */
const coarseTickMs = 2020
/** The part of the bytes that is for copies which have been used since they were taken. */
const provenShare = 0.8
/** What a copy costs beside its texts, roughly as measured: objects, numbers of 64 bits, map entries. */
const overheadBytes = 1024
/** One page seen (some 200 bytes) is remembered for so many bytes of copies, */
const bytesPerSighting = 4096
/** and so many in any case. */
const minSightings = 1024

export class HotCopies {
  readonly #new: LRUCache<string, Copy>
  readonly #proven: LRUCache<string, Copy>
  readonly #seen: LRUCache<string, Sighting>

  constructor(maxBytes: number) {
    const provenBytes = Math.floor(maxBytes * provenShare)
    const cache = (maxSize: number) => ({ maxSize, sizeCalculation: ({ bytes }: Copy) => bytes })
    this.#new = new LRUCache(cache(Math.max(1, maxBytes - provenBytes)))
    this.#proven = new LRUCache({
      ...cache(Math.max(1, provenBytes)),
      // What is crowded out has another chance among the new.
      disposeAfter: (copy, key, reason) => {
        if (reason === 'evict') this.#new.set(key, copy)
      },
    })
    this.#seen = new LRUCache({ max: Math.max(minSightings, Math.floor(maxBytes / bytesPerSighting)) })
  }

  /** How many bytes the copies take, as `hotBytes` counts them. */
  get bytes(): number {
    return this.#new.calculatedSize + this.#proven.calculatedSize
  }

  /** The copy of `key`, if there is one. Whether it still is the page, only `confirm` can say. */
  find(key: string): Copy | undefined {
    return this.#proven.get(key) ?? this.#new.get(key)
  }

  /** Whether `stats`, read after `find`, are those of the file that was copied. If not, the copy is dropped. */
  confirm(key: string, copy: Copy, stats: Identity | undefined): boolean {
    if (stats === undefined || !isSameFile(stats, copy.identity)) {
      this.drop(key)
      return false
    }
    if (this.#new.has(key)) {
      this.#new.delete(key)
      this.#proven.set(key, copy)
    }
    return true
  }

  /**
   * A page that was read, with the stats that were taken before its bytes were. `beganAtMs` and `endedAtMs`, by a
   * clock that only goes forward, are before the stats and after them.
   */
  offer(key: string, read: Measured, stats: Identity, { beganAtMs, endedAtMs }: ReadTime): void {
    const sighting = this.#seen.get(key)
    const ctimeNs = Number(stats.ctimeNs)
    if (sighting?.ctimeNs !== ctimeNs) {
      this.#seen.set(key, { ctimeNs, atMs: endedAtMs })
    } else if (beganAtMs - sighting.atMs >= tickOf(stats)) {
      this.#seen.delete(key)
      const { page, isTextInBytes } = read
      const copy = { page, isTextInBytes, identity: identityOf(stats), bytes: bytesOf(key, read) }
      const isRoom = this.#proven.calculatedSize + copy.bytes <= this.#proven.maxSize
      const home = isRoom && copy.bytes <= this.#new.maxSize ? this.#proven : this.#new
      home.set(key, copy)
    }
  }

  /** The same page in another form: of a copy that was found and confirmed. */
  replace(key: string, copy: Copy, { page, isTextInBytes, bytes }: Measured): void {
    const home = this.#proven.has(key) ? this.#proven : this.#new
    if (home.peek(key) !== copy) return
    home.set(key, { page, isTextInBytes, identity: copy.identity, bytes: bytesOf(key, { page, isTextInBytes, bytes }) })
  }

  drop(key: string): void {
    this.#proven.delete(key)
    this.#new.delete(key)
  }

  clear(): void {
    this.#proven.clear()
    this.#new.clear()
    this.#seen.clear()
  }
}

/** A page, and how long its body is in bytes. */
export interface Measured {
  readonly page: KeptPage
  readonly isTextInBytes: boolean
  readonly bytes: number
}

export interface ReadTime {
  readonly beganAtMs: number
  readonly endedAtMs: number
}

/** Whether nothing was changed between the two, as far as a look can tell. */
export function isSameFile(one: Identity, other: Identity): boolean {
  return (
    one.ctimeNs === other.ctimeNs &&
    one.ino === other.ino &&
    one.mtimeNs === other.mtimeNs &&
    one.size === other.size &&
    one.dev === other.dev
  )
}

function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: Identity): Identity {
  return { dev, ino, size, mtimeNs, ctimeNs }
}

function tickOf({ ctimeNs }: Identity): number {
  return ctimeNs % 1_000_000_000n === 0n ? coarseTickMs : tickMs
}

/** Text that is not ASCII takes up to two bytes a character; JavaScript does not say which. */
function bytesOf(key: string, { page: { body, metadata = '', encoded }, bytes }: Measured): number {
  const isOneByte = typeof body !== 'string' || body.length === bytes
  const encodedBytes = encoded?.bytes.length ?? 0
  return overheadBytes + key.length + 2 * metadata.length + body.length * (isOneByte ? 1 : 2) + encodedBytes
}
