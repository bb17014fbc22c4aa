/**
 * Which pages have which tag: 4096 append-only logs by the tag's hash, `"\n<tag>\t<key>\n"` a line.
 *
 * A line begins and ends with a newline, so the torn line of a killed writer cannot swallow the next one.
 * An eviction removes no line: a page that lost the tag is evicted too often, which is safe. A log that
 * has doubled is rewritten (tag-compaction.ts), half-way through it lies in `compacting/`.
 */
import type { BigIntStats } from 'node:fs'
import { keyProblem } from '../../core/key.js'
import type { Disk } from './disk.js'
import { errnoOf } from './disk-error.js'
import { openFlags } from './files.js'
import { appendLines, readAll } from './whole-file.js'

const bucketCount = 4096

export class TagIndex {
  readonly #disk: Disk
  readonly #hasGrown: (bucket: string, bytes: number) => void

  /** `hasGrown` is told the size of each log that was appended to. */
  constructor(disk: Disk, hasGrown: (bucket: string, bytes: number) => void = () => undefined) {
    this.#disk = disk
    this.#hasGrown = hasGrown
  }

  /** When it returns, evictors that have not read the tags' logs yet will find `key`. Throws when it cannot. */
  register(key: string, tags: readonly string[]): void {
    const byBucket = new Map<string, string>()
    for (const tag of tags) {
      const bucket = bucketOf(tag)
      byBucket.set(bucket, `${byBucket.get(bucket) ?? ''}\n${tag}\t${key}\n`)
    }
    for (const [bucket, lines] of byBucket) {
      const bytes = appendLines(this.#disk, `${this.#disk.layout.tags}/${bucket}`, Buffer.from(lines))
      this.#hasGrown(bucket, bytes)
    }
  }

  /** Every key that was registered under `tag` before the call, and perhaps more; some of them twice. */
  *keysOf(tag: string): Generator<string> {
    const needle = Buffer.from(`\n${tag}\t`)
    for (const log of this.#read(bucketOf(tag))) {
      for (let at = log.indexOf(needle); at !== -1; at = log.indexOf(needle, at + needle.length)) {
        const from = at + needle.length
        const end = log.indexOf(10, from)
        const key = log.toString('utf8', from, end === -1 ? log.length : end)
        // A torn line holds the beginning of a key.
        if (keyProblem(key) === undefined) yield key
      }
    }
  }

  /** The log and its half-rewritten parts, read again until nothing was renamed meanwhile. */
  #read(bucket: string): Buffer[] {
    const { files, layout } = this.#disk
    const path = `${layout.tags}/${bucket}`
    for (;;) {
      // Made if it is not there, and held open while it is compared: then "the path names my inode" means that no
      // rewrite took the log away meanwhile. A log that is absent twice may have been there in between.
      const fd = files.open(path, openFlags.appendAndRead, this.#disk.fileMode)
      try {
        const { ino } = regular(files.fstat(fd))
        const parts = partsOf(this.#disk, bucket)
        const logs = parts.flatMap((part) => readIfThere(this.#disk, `${layout.compacting}/${part}`) ?? [])
        logs.push(readAll(files, fd, Number(files.fstat(fd).size)))
        const isStable = files.stat(path)?.ino === ino && partsOf(this.#disk, bucket).join() === parts.join()
        if (isStable) return logs
      } finally {
        files.close(fd)
      }
    }
  }
}

/**
 * Whether the logs know every kept page: nobody removed them, nor what is half-way rewritten. An evictor asks
 * *after* it has read: if they were lost and begun anew meanwhile, every older page was evicted before that.
 */
export function isWhole({ files, layout }: Disk): boolean {
  return [layout.tagMarker, layout.compacting, layout.state].every((path) => files.lstat(path) !== undefined)
}

/** The logs of one bucket that are being rewritten, or were when their process died. */
export function partsOf({ files, layout }: Disk, bucket: string): string[] {
  return files
    .names(layout.compacting)
    .filter((name) => name.startsWith(`${bucket}~`))
    .sort()
}

export function readIfThere(disk: Disk, path: string): Buffer | undefined {
  const fd = openIfThere(disk, path)
  if (fd === undefined) return undefined
  try {
    return readAll(disk.files, fd, Number(disk.files.fstat(fd).size))
  } finally {
    disk.files.close(fd)
  }
}

function openIfThere({ files }: Disk, path: string): number | undefined {
  try {
    return files.open(path, openFlags.read)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}

/** A pipe in the place of a log would be an empty one: no registrations, and pages believed evicted. */
function regular(stats: BigIntStats): BigIntStats {
  if (stats.isFile()) return stats
  throw Object.assign(new Error('a log of tags is not a regular file'), { code: 'EINVAL' })
}

/** FNV-1a over UTF-16 units: cheap, and the same in every process. */
export function bucketOf(tag: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < tag.length; at++) hash = Math.imul(hash ^ tag.charCodeAt(at), 0x01000193)
  return ((hash >>> 0) % bucketCount).toString(16).padStart(3, '0')
}
