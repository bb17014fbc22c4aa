/**
 * Tag logs that have doubled are rewritten without duplicates and without pages that are gone:
 *
 * 1. rename the log to `compacting/<bucket>~<token>`: evictors read it there, writers start a new one
 * 2. keep a line if a token of its key exists, *then* if its page does. In that order: a fill that is
 *    published between the two questions has lost its token, and has a page
 * 3. append what is kept to the new log, like any writer; remove the old one
 *
 * A process that dies half-way leaves the part in `compacting/`, where evictors go on reading it until
 * another process takes it over. A line too many is safe; no line is lost at any step.
 */

import { type Disk, Slices } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { openFlags } from './files.js'
import { readLeaseName, stemOf } from './lease-name.js'
import { partsOf, readIfThere } from './tag-index.js'
import { appendLines, readAll } from './whole-file.js'

/** A log below this size is never rewritten: reading it takes less than a tenth of a millisecond. */
const smallLogBytes = 64 * 1024

export class TagCompaction {
  readonly #disk: Disk
  readonly #smallBytes: number
  /** How large each log was when it was last rewritten. */
  readonly #compactBytes = new Map<string, number>()
  readonly #underWay = new Set<string>()
  #work: Promise<void> = Promise.resolve()

  constructor(disk: Disk, smallBytes = smallLogBytes) {
    this.#disk = disk
    this.#smallBytes = smallBytes
  }

  /** Told the size of a log that was appended to; rewrites it in the background if that is due. */
  hasGrown(bucket: string, bytes: number): void {
    if (bytes < this.#smallBytes || this.#underWay.has(bucket)) return
    const before = this.#compactBytes.get(bucket) ?? this.#readHeader(bucket)
    this.#compactBytes.set(bucket, before)
    if (bytes >= 2 * before) this.#schedule(bucket)
  }

  /** Finishes what dead processes left. */
  adopt(): void {
    const { files, layout } = this.#disk
    for (const name of files.names(layout.compacting)) {
      if (this.#isAbandoned(name)) this.#schedule(readLeaseName(name).stem)
    }
  }

  /** Resolves when what was due so far is done. */
  settled(): Promise<void> {
    return this.#work
  }

  #schedule(bucket: string): void {
    if (this.#underWay.has(bucket)) return
    this.#underWay.add(bucket)
    this.#work = this.#work.then(async () => {
      try {
        await this.#compact(bucket)
      } catch (thrown) {
        this.#disk.fault(diskError(`rewrite the tag log "${bucket}"`, thrown))
      } finally {
        this.#underWay.delete(bucket)
      }
    })
  }

  async #compact(bucket: string): Promise<void> {
    const { layout, owner } = this.#disk
    // Whoever waits for the page that was just kept comes first.
    await new Slices().pause()
    const abandoned = partsOf(this.#disk, bucket).filter((name) => this.#isAbandoned(name))
    const sources = [...abandoned.map((name) => `${layout.compacting}/${name}`), `${layout.tags}/${bucket}`]
    for (const source of sources) {
      const token = owner.mint()
      try {
        const part = `${layout.compacting}/${bucket}~${token}`
        if (renameIfThere(this.#disk, source, part)) await this.#rewrite(bucket, part)
      } finally {
        owner.retire(token)
      }
    }
  }

  async #rewrite(bucket: string, part: string): Promise<void> {
    const { files, layout } = this.#disk
    const slices = new Slices()
    const lines = new Set<string>()
    const old = readIfThere(this.#disk, part)
    if (old === undefined) return
    for (const line of linesOf(old)) {
      lines.add(line)
      if (slices.isFull()) await slices.pause()
    }
    const stems = new Set(files.names(layout.leases).map((name) => readLeaseName(name).stem))
    let kept = ''
    for (const line of lines) {
      if (slices.isFull()) await slices.pause()
      const key = line.slice(line.indexOf('\t') + 1)
      if (stems.has(stemOf(key)) || files.lstat(layout.page(key))?.isFile()) kept += `\n${line}\n`
    }
    const bytes = Buffer.byteLength(kept)
    const size = appendLines(this.#disk, `${layout.tags}/${bucket}`, Buffer.from(`\n#${bytes}\n${kept}`))
    this.#compactBytes.set(bucket, size)
    try {
      files.unlink(part)
    } catch (thrown) {
      // Taken over by a process that believed this one dead: it repeats the work, which is harmless.
      if (!isAbsence(thrown)) throw thrown
    }
  }

  /** What a log says about its size when it was last rewritten, for processes that were not there. */
  #readHeader(bucket: string): number {
    const { files, layout } = this.#disk
    try {
      const fd = files.open(`${layout.tags}/${bucket}`, openFlags.read)
      try {
        return Number(/^\n#(\d+)\n/.exec(readAll(files, fd, 32).toString())?.[1] ?? 0)
      } finally {
        files.close(fd)
      }
    } catch {
      return 0
    }
  }

  #isAbandoned(name: string): boolean {
    const stats = this.#disk.files.lstat(`${this.#disk.layout.compacting}/${name}`)
    const { token } = readLeaseName(name)
    return stats !== undefined && token !== undefined && this.#disk.owner.isAbandoned(token, Number(stats.ctimeMs))
  }
}

/** The lines of a log that have a tag and a key. */
function* linesOf(log: Buffer): Generator<string> {
  for (let from = 0; from < log.length; ) {
    const found = log.indexOf(10, from)
    const end = found === -1 ? log.length : found
    // Without its newline the last line is torn; a fill whose registration failed keeps no page.
    if (end > from && found !== -1) {
      const line = log.toString('utf8', from, end)
      if (line.includes('\t')) yield line
    }
    from = end + 1
  }
}

function renameIfThere({ files }: Disk, from: string, to: string): boolean {
  try {
    files.rename(from, to)
    return true
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false
    throw thrown
  }
}
