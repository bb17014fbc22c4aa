/**
 * A part of a file as a stream, read on threads of the pool while it is sent. It is given only if the file is the one that
 * was looked at, so that what has been said of it holds. The file is closed at its end, or when the stream is destroyed.
 */
import type { BigIntStats } from 'node:fs'
import { Readable } from 'node:stream'
import { PagekeepError } from '../../core/errors.js'
import type { StreamedBody } from '../../core/store.js'
import type { Disk } from './disk.js'
import { diskError } from './disk-error.js'
import { openFlags } from './files.js'
import { isSameFile } from './hot-copies.js'

/** What lies in memory of each stream, about twice. */
const chunkBytes = 64 * 1024

/** The body of `key`, of whose file these are the stats. */
export function streamedBody(disk: Disk, key: string, stats: BigIntStats): StreamedBody {
  return { size: Number(stats.size), open: (start, end) => openPart(disk, key, stats, { start, end }) }
}

interface Part {
  readonly start: number
  readonly end: number
}

async function openPart(disk: Disk, key: string, stats: BigIntStats, part: Part): Promise<Readable | undefined> {
  const { files, layout } = disk
  try {
    const fd = await files.openLater(layout.page(key), openFlags.read)
    try {
      if (isSameFile(await files.fstatLater(fd), stats)) return new FileStream(disk, key, fd, part)
    } catch {
      // As if it were another one.
    }
    await files.closeLater(fd)
  } catch {
    // Whoever asks again learns why.
  }
  return undefined
}

class FileStream extends Readable {
  readonly #disk: Disk
  readonly #key: string
  readonly #fd: number
  readonly #end: number
  #at: number
  #reading: Promise<void> = Promise.resolve()

  constructor(disk: Disk, key: string, fd: number, { start, end }: Part) {
    super({ highWaterMark: chunkBytes })
    this.#disk = disk
    this.#key = key
    this.#fd = fd
    this.#at = start
    this.#end = end
  }

  override _read(): void {
    this.#reading = this.#readOn().catch((thrown) => {
      const error = diskError(`read the page "${this.#key}" on`, thrown, this.#key)
      this.#disk.fault(error)
      this.destroy(error)
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // The number of a file that is closed may be another's while a thread still reads.
    const closed = this.#reading.then(() => this.#disk.files.closeLater(this.#fd))
    // All that was to be read has been read, or has failed.
    const end = () => done(error)
    closed.then(end, end)
  }

  async #readOn(): Promise<void> {
    if (this.#at >= this.#end) {
      this.push(null)
      return
    }
    const bytes = Buffer.allocUnsafeSlow(Math.min(chunkBytes, this.#end - this.#at))
    const count = await this.#disk.files.readLater(this.#fd, bytes, this.#at)
    if (count === 0) throw cutShort(this.#key, this.#at)
    this.#at += count
    this.push(bytes.subarray(0, count))
  }
}

function cutShort(key: string, size: number): PagekeepError {
  const message = `The file of the page "${key}" was cut to ${size} bytes while it was sent. Something else writes there.`
  return new PagekeepError('store-failed', message, { key, store: 'disk' })
}
