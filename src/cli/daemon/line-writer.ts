/**
 * Lines on a file descriptor, never waited for. A pipe that nobody reads, a terminal that was stopped by Ctrl-S:
 * what cannot be written at once is dropped and counted, and the count is the next line that gets through.
 *
 * `process.stdout` keeps what a pipe does not take in memory, without a bound, ends the process when the reader is
 * gone (EPIPE), and waits on a terminal; `fs.writeSync` waits on each. So a pipe is opened once more, without
 * blocking; that changes nothing for others who hold it. A socket (systemd's journal) cannot be opened again and is
 * written by libuv, up to a bound.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

const maxWaitingBytes = 256 * 1024

export class LineWriter {
  /** Lines that nobody took, since the process began. */
  dropped = 0
  #untold = 0
  readonly #put: (bytes: Buffer) => number
  readonly #end: () => void
  /** What is left of a line that was written in part. */
  #rest: Buffer | undefined

  constructor(fd: number) {
    const sink = openSink(fd)
    this.#put = sink.put
    this.#end = sink.end
  }

  /** Never throws, never waits. `told` makes the line that says how many were dropped before. */
  write(line: string, told: (dropped: number) => string): void {
    const untold = this.#untold
    const hasTold = this.#flush() && (untold === 0 || this.#try(told(untold)))
    if (hasTold) this.#untold -= untold
    if (hasTold && this.#rest === undefined && this.#try(line)) return
    this.dropped++
    this.#untold++
  }

  close(): void {
    this.#end()
  }

  #flush(): boolean {
    if (this.#rest === undefined) return true
    const written = this.#put(this.#rest)
    this.#rest = written < this.#rest.length ? this.#rest.subarray(written) : undefined
    return this.#rest === undefined
  }

  /** Whether the line was taken, in part at least. */
  #try(line: string): boolean {
    const bytes = Buffer.from(`${line}\n`)
    const written = this.#put(bytes)
    if (written > 0 && written < bytes.length) this.#rest = bytes.subarray(written)
    return written > 0
  }
}

interface Sink {
  /** Answers how many bytes were taken. */
  readonly put: (bytes: Buffer) => number
  readonly end: () => void
}

function openSink(fd: number): Sink {
  try {
    const stats = fstatSync(fd)
    if (stats.isFile()) return { put: (bytes) => writeNow(fd, bytes), end: () => {} }
    if (stats.isSocket()) return socketSink(fd)
  } catch {
    // A descriptor that is closed takes nothing.
    return { put: () => 0, end: () => {} }
  }
  const own = openAgain(fd)
  if (own === undefined) return socketSink(fd)
  return { put: (bytes) => writeNow(own, bytes), end: () => closeSync(own) }
}

function openAgain(fd: number): number | undefined {
  for (const path of [`/proc/self/fd/${fd}`, `/dev/fd/${fd}`]) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      // The next one may be there.
    }
  }
  return undefined
}

function writeNow(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes)
  } catch {
    // EAGAIN: full. EPIPE: nobody will ever read. ENOSPC: a log must not end the work either.
    return 0
  }
}

function socketSink(fd: number): Sink {
  const socket = new Socket({ fd, readable: false, writable: true })
  socket.on('error', () => {})
  socket.unref()
  return {
    put(bytes) {
      if (socket.destroyed || socket.writableLength > maxWaitingBytes) return 0
      socket.write(bytes)
      return bytes.length
    },
    end: () => socket.end(),
  }
}
