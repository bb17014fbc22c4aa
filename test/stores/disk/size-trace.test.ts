/** How good the choice of what to remove is: hit ratios on traces, against true LRU and against FIFO. */
import { setImmediate } from 'node:timers/promises'
import { type DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { fastDirectory } from '../../support/fast-directory.js'
import { keep, Stage } from './stage.js'

const stage = new Stage(fastDirectory())
const capacity = 100
const keyOf = (page: number) => `p/${page}.html`

/** A disk that notes reads at once and without a clock's granularity; `notes` false: as if mounted noatime. */
class ReadNotes {
  readonly read = new Set<string>()
  readonly files: Files
  readonly #opened = new Map<number, string>()

  constructor(notes = true) {
    this.files = {
      ...systemFiles,
      open: (path, flags, mode) => {
        const fd = systemFiles.open(path, flags, mode)
        this.#opened.set(fd, path)
        return fd
      },
      fchmod: (fd, mode) => {
        this.read.delete(this.#opened.get(fd) ?? '')
        systemFiles.fchmod(fd, mode)
      },
      lstat: (path) => {
        const stats = systemFiles.lstat(path)
        if (stats?.isFile()) stats.atimeNs = notes && this.read.has(path) ? stats.ctimeNs + 1n : 0n
        return stats
      },
    }
  }
}

/** How many of the requests found their page. */
async function hitsOf(store: DiskStore, notes: ReadNotes, trace: readonly number[]): Promise<number> {
  let hits = 0
  for (const page of trace) {
    const key = keyOf(page)
    const path = `${store.directory}/${key}`
    if (store.get(key) !== undefined) {
      hits++
      notes.read.add(path)
      continue
    }
    notes.read.delete(path)
    keep(store, key, 'x')
    await setImmediate()
  }
  return hits
}

function hitsOfLru(trace: readonly number[]): number {
  const kept = new Map<number, true>()
  let hits = 0
  for (const page of trace) {
    if (kept.delete(page)) hits++
    kept.set(page, true)
    const [oldest] = kept.keys()
    if (kept.size > capacity && oldest !== undefined) kept.delete(oldest)
  }
  return hits
}

/** Requests for pages 0, 1, 2, ... with a probability of 1 / rank ** skew each; always the same ones. */
function zipf(requests: number, pages: number, skew: number): number[] {
  let seed = 42
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  let sum = 0
  const sums = Array.from({ length: pages }, (_, rank) => (sum += 1 / (rank + 1) ** skew))
  return Array.from({ length: requests }, () => {
    const at = random() * sum
    return sums.findIndex((upTo) => upTo >= at)
  })
}

describe('DiskStore() with a size limit', () => {
  it.each([0.9, 1.1])(
    'has no fewer hits than true LRU on a zipf trace of %s, where FIFO has fewer',
    async (skew) => {
      const trace = zipf(2500, 1000, skew)
      const lru = hitsOfLru(trace)
      const [noting, blind] = [new ReadNotes(), new ReadNotes(false)]
      const limits = { maxFiles: capacity, onFault: () => undefined }
      const clock = await hitsOf(stage.open({ ...limits, files: noting.files }), noting, trace)
      const fifo = await hitsOf(
        stage.open({ ...limits, directory: `${stage.directory}-fifo`, files: blind.files }),
        blind,
        trace,
      )
      // 1 % of the requests for the noise of what a sweep finds where.
      expect(clock).toBeGreaterThan(lru - trace.length / 100)
      expect(fifo).toBeLessThan(clock - trace.length / 100)
    },
    300_000,
  )

  it('keeps pages that are in use while a crawler asks for thousands of others', async () => {
    const notes = new ReadNotes()
    const store = stage.open({ maxFiles: capacity, files: notes.files })
    const trace = Array.from({ length: 1500 }, (_, at) => (at % 3 === 0 ? (at / 3) % 20 : 1000 + at))
    const hits = await hitsOf(store, notes, trace)
    expect(hits).toBeGreaterThan(480 * 0.99)
  }, 300_000)
})
