/**
 * An eviction from the Keyv store. The order is half of the proof at the head of stamps.ts: the stamp of
 * all tags, the buckets, the tags; each written and read back before the next.
 *
 * A pattern within segments renews the stamps of the keys it matches. A fill writes its key's stamp before
 * its render, so the walk over the stamps finds fills in flight as well as pages, in any process. A damaged stamp is
 * found by its name. Where the adapter cannot be walked over, or fails on the way, the whole directory below which the
 * pattern matches is evicted: too much, which is safe.
 */

import type { KeySelector, PatternSelector, Selector, TagSelector } from '../../core/selector.js'
import type { Eviction, EvictionFailure } from '../../core/store.js'
import { maxListedKeys } from '../../core/store.js'
import type { OpenFills } from '../open-fills.js'
import { entryName } from './entry.js'
import { inBatches, type KeyvLike } from './keyv-like.js'
import type { Listing, Visitor } from './listing.js'
import {
  keyStampedBy,
  keyStampedUnder,
  type Stamps,
  stampOfAllTags,
  stampOfDirectory,
  stampOfKey,
  stampOfTag,
} from './stamps.js'
import { bucketOf } from './tag-marks.js'

export interface EvictionParts {
  readonly keyv: KeyvLike
  readonly stamps: Stamps
  readonly listing: Listing
  readonly fills: OpenFills
  readonly canList: boolean
}

export async function evictFromKeyv(parts: EvictionParts, selectors: readonly Selector[]): Promise<Eviction> {
  const { keyv, stamps } = parts
  const keys = selectors.filter((selector): selector is KeySelector => selector.kind === 'key')
  const tags = selectors.filter((selector): selector is TagSelector => selector.kind === 'tag')
  const patterns = selectors.filter((selector): selector is PatternSelector => selector.kind === 'pattern')
  const doomed = doomHere(parts.fills, keys, patterns)

  /** Which selectors need the stamp of this name renewed. */
  const reasons = new Map<string, Selector[]>()
  const because = (selector: Selector, name: string) => {
    const known = reasons.get(name)
    if (known === undefined) reasons.set(name, [selector])
    else known.push(selector)
  }
  const failed = new Map<string, unknown>()
  const renew = async (names: Iterable<string>) => {
    for (const [name, cause] of await stamps.renew(names)) failed.set(name, cause)
  }

  for (const selector of tags) {
    for (const name of [stampOfAllTags, bucketOf(selector.tag), stampOfTag(selector.tag)]) because(selector, name)
  }
  if (tags.length > 0) {
    await renew([stampOfAllTags])
    await renew(tags.map(({ tag }) => bucketOf(tag)))
  }
  for (const selector of keys) because(selector, stampOfKey(selector.key))
  const matched = await matchedKeys(parts, patterns, because)
  await renew([...reasons.keys()].filter((name) => name !== stampOfAllTags && !name.startsWith('b/')))

  const removed = await removeEntries(keyv, new Set([...keys.map(({ key }) => key), ...matched]))
  return { removed: removed.length, keys: removed.slice(0, maxListedKeys), doomed, failures: tell(failed, reasons) }
}

function doomHere(fills: OpenFills, keys: KeySelector[], patterns: PatternSelector[]): number {
  const byKey = keys.reduce((count, { key }) => count + fills.doom(key), 0)
  return patterns.reduce((count, pattern) => count + fills.doomMatching((key) => pattern.matches(key)), byKey)
}

/** The keys of pages and fills that patterns match; subtrees and what cannot be listed go by their directory. */
async function matchedKeys(
  { listing, canList }: EvictionParts,
  patterns: readonly PatternSelector[],
  because: (selector: Selector, name: string) => void,
): Promise<Set<string>> {
  const matched = new Set<string>()
  const narrow = patterns.filter((pattern) => !pattern.isSubtree)
  const visit = (key: string | undefined) => {
    if (key === undefined) return
    for (const pattern of narrow.filter((candidate) => candidate.matches(key))) {
      matched.add(key)
      because(pattern, stampOfKey(key))
    }
  }
  const visitor: Visitor = {
    record: (record) => visit(keyStampedBy(record)),
    damaged: (name) => visit(keyStampedUnder(name)),
  }
  const isListed = narrow.length === 0 || (canList && (await listing.visitAll(visitor)))
  for (const pattern of isListed ? patterns.filter(({ isSubtree }) => isSubtree) : patterns) {
    because(pattern, stampOfDirectory(pattern.directory))
  }
  return matched
}

/** Nobody can read them any more; this frees the room and counts. What cannot be removed does not matter. */
async function removeEntries(keyv: KeyvLike, keys: ReadonlySet<string>): Promise<string[]> {
  return inBatches([...keys], async (batch) => {
    const outcomes = await Promise.allSettled(batch.map((key) => keyv.delete(entryName(key))))
    return batch.filter((_, index) => {
      const outcome = outcomes[index]
      return outcome?.status === 'fulfilled' && outcome.value === true
    })
  })
}

function tell(failed: ReadonlyMap<string, unknown>, reasons: ReadonlyMap<string, Selector[]>): EvictionFailure[] {
  const bySelector = new Map<Selector, EvictionFailure>()
  for (const [name, cause] of failed) {
    for (const selector of reasons.get(name) ?? []) {
      const key = name.startsWith('k/') ? { key: name.slice(2) } : {}
      if (!bySelector.has(selector)) bySelector.set(selector, { selector, ...key, cause })
    }
  }
  return [...bySelector.values()]
}
