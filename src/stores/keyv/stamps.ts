/**
 * Stamps: what makes a page unreadable, over all processes on one Keyv, without compare-and-set.
 *
 * A stamp is a random text under the name of what can be evicted: a key (`k/`), a directory (`d/`) or a tag
 * (`t/`). An eviction replaces it. An entry carries the stamps of its key, of all directories above it and
 * of its tags, and is read only while **those very stamps are there**.
 *
 * Two rules carry all of the safety; no clock does.
 * 1. *No text is ever written twice.* Who finds no stamp writes a new one. So once an eviction has written,
 *    no stamp that was there before can come back.
 * 2. *A missing stamp is not a current one.* An adapter that drops entries (an LRU, Redis with `maxmemory`,
 *    a ttl) can lose an eviction's stamp, but with it goes every page that was under it.
 *
 * Keys and directories. A fill gets their stamps before its render begins, so whatever it carries was
 * written before then. An eviction that is called later writes another text and is done when that can be
 * read: the fill's entry is unreadable from then on, whether it was written before, is written now, or will
 * be. It does not matter what a racing fill writes over the eviction's stamp: a fill that found none and
 * writes one has not begun to render, and rule 1 holds.
 *
 * Tags are known only at the end, when their stamps may already be those of an eviction that came during
 * the render. Hence a second kind that no reader looks at: one stamp of all tags (`g`) and 256 buckets of
 * tags (`b/`, see tag-marks.ts), which a fill gets before its render. An eviction of a tag writes `g`, then
 * the bucket, *then* the tag. A publish reads the tag, *then* the bucket and `g`. If the tag's stamp is the
 * eviction's, its bucket was written before, so the publish sees that and keeps nothing. If it is not, the
 * eviction has yet to write it, and the entry will be unreadable. (Dekker's scheme: one of the two sees the
 * other.) A fill that finds no tag stamp and writes one over the eviction's does so before it reads the
 * bucket, so it is doomed itself, and for others rule 1 holds.
 *
 * What is asked of the adapter: a write that was answered is seen by all later reads (so no reading from
 * replicas), takes effect once, and is not undone (a Redis that fails over may lose its last writes, those
 * of an invalidator's cursor among them, which then repeats the evictions).
 */
import { randomBytes } from 'node:crypto'
import { PagekeepError } from '../../core/errors.js'
import type { ErrorWatch } from './error-watch.js'
import { inBatches, type KeyvLike } from './keyv-like.js'
import type { Records } from './records.js'

/** What lies under a stamp's name. It carries the name, so that a name that the adapter changed is noticed. */
interface StampRecord {
  readonly stamp: string
  readonly of: string
}

export const stampOfAllTags = 'g'
export const stampOfKey = (key: string) => `k/${key}`
export const stampOfDirectory = (directory: string) => `d/${directory}`
export const stampOfTag = (tag: string) => `t/${tag}`

/** The names that a page of this key is under: its own, then all directories from the root down. */
export function stampsAbove(key: string): string[] {
  const names = [stampOfKey(key), stampOfDirectory('')]
  for (let end = key.indexOf('/'); end !== -1; end = key.indexOf('/', end + 1)) {
    names.push(stampOfDirectory(key.slice(0, end)))
  }
  return names
}

/** The key whose stamp `record` is, if it is one. */
export function keyStampedBy(record: unknown): string | undefined {
  return isStamp(record) ? keyStampedUnder(record.of) : undefined
}

/** The key whose stamp lies under `name`, if one does. */
export function keyStampedUnder(name: string): string | undefined {
  return name.startsWith('k/') ? name.slice(2) : undefined
}

const maxAttempts = 3

interface Attempt {
  isDone?: boolean
  /** What was there after the last attempt. */
  seen?: string | undefined
  failure?: unknown
}

export class Stamps {
  readonly #keyv: KeyvLike
  readonly #records: Records
  readonly #watch: ErrorWatch
  readonly #ttlMs: number | undefined

  /** Stamps of keys and tags leave after `ttlMs`, those of directories never. */
  constructor(keyv: KeyvLike, records: Records, watch: ErrorWatch, ttlMs: number | undefined) {
    this.#keyv = keyv
    this.#records = records
    this.#watch = watch
    this.#ttlMs = ttlMs
  }

  /** The stamps under these names, in their order. */
  read(names: readonly string[]): Promise<(string | undefined)[]> {
    return inBatches(names, async (batch) => {
      return this.among(await this.#records.readMany(batch), batch)
    })
  }

  /** The stamps in records that were read under these names. */
  among(records: readonly unknown[], names: readonly string[]): (string | undefined)[] {
    return names.map((name, index) => stampIn(records[index], name))
  }

  /** As `read`; where there is none, a new one is written. Throws `store-failed` when that did not last. */
  async readOrWrite(names: readonly string[]): Promise<string[]> {
    const first = await this.read(names)
    const missing = names.filter((_, index) => first[index] === undefined)
    if (missing.length === 0) return first as string[]
    await inBatches(missing, (batch) => Promise.all(batch.map((name) => this.#write(name))))
    // Others may have found them missing too; all take what is there in the end.
    const second = await this.read(names)
    const lost = names.find((_, index) => second[index] === undefined)
    if (lost !== undefined) throw notKept(lost)
    return second as string[]
  }

  /**
   * Writes new stamps and reads them back, since a failed write may look like one that was done. Where that
   * fails (a Redis that is full), the old stamps are removed, which does as well by rule 2.
   * Resolves with what could not be renewed, by name.
   */
  async renew(names: Iterable<string>): Promise<Map<string, unknown>> {
    const attempts = new Map([...new Set(names)].map((name): [string, Attempt] => [name, {}]))
    for (let count = 0; attempts.size > 0 && count < maxAttempts; count++) {
      await inBatches([...attempts], (batch) => this.#renewOnce(batch))
      for (const [name, attempt] of attempts) if (attempt.isDone) attempts.delete(name)
    }
    const isRemoved = await inBatches([...attempts.keys()], (batch) =>
      Promise.all(batch.map((name) => this.#remove(name))),
    )
    return new Map([...attempts].filter((_, index) => !isRemoved[index]).map(([name, { failure }]) => [name, failure]))
  }

  /** Whether a stamp was there and certainly is no longer: a read that failed may look like nothing. */
  async #remove(name: string): Promise<boolean> {
    try {
      return await this.#watch.during(async () => {
        const isDeleted = (await this.#keyv.delete(name)) === true
        const [stamp] = await this.read([name])
        return isDeleted && stamp === undefined
      })
    } catch {
      return false
    }
  }

  async #renewOnce(attempts: readonly (readonly [string, Attempt])[]): Promise<[]> {
    const names = attempts.map(([name]) => name)
    const written = await Promise.allSettled(names.map((name) => this.#write(name)))
    const found = await this.read(names).catch((failure: unknown) => ({ failure }))
    for (const [index, [name, attempt]] of attempts.entries()) {
      const write = written[index]
      if (!Array.isArray(found)) {
        attempt.failure = found.failure
        continue
      }
      const stamp = found[index]
      const isMine = write?.status === 'fulfilled' && stamp === write.value
      // Somebody else's will do, if it was not there after the first attempt: it was written since the call.
      const isNew = stamp !== undefined && 'seen' in attempt && stamp !== attempt.seen
      attempt.isDone = isMine || isNew
      attempt.seen = stamp
      attempt.failure = write?.status === 'rejected' ? write.reason : notKept(name)
    }
    return []
  }

  async #write(name: string): Promise<string> {
    const stamp = randomBytes(12).toString('base64url')
    const record: StampRecord = { stamp, of: name }
    const leaves = name.startsWith('k/') || name.startsWith('t/')
    await this.#keyv.set(name, record, leaves ? this.#ttlMs : undefined)
    return stamp
  }
}

function stampIn(record: unknown, name: string): string | undefined {
  return isStamp(record) && record.of === name ? record.stamp : undefined
}

function isStamp(record: unknown): record is StampRecord {
  const { stamp, of } = (record ?? {}) as Partial<StampRecord>
  return typeof stamp === 'string' && typeof of === 'string'
}

function notKept(name: string): PagekeepError {
  return new PagekeepError(
    'store-failed',
    `What was written to Keyv as "${name}" is not there, or not what was written. Look at the "error" events ` +
      'of the Keyv instance: most adapters report there and do not throw.',
    { key: name, store: 'keyv' },
  )
}
