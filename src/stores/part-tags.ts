/**
 * How an eviction of a page finds the pages that are made of it: each of them carries, beside the tags of its
 * parts, tags that stand for the parts' names. An eviction of a key or pattern evicts those tags too.
 *
 * A pattern stands for the directory below which it matches, so it evicts what is made of any page there:
 * too much, which is safe. A tag of the application's that looks like one of these evicts too much as well.
 */
import type { Selector, TagSelector } from '../core/selector.js'

const tagOfKey = (key: string) => `=${key}`
const tagOfDirectory = (directory: string) => `=${directory}/**`

/** The tags of what is made of the page of `key`: its own name, and all directories above it. */
export function partTagsOf(key: string): string[] {
  const tags = [tagOfKey(key), tagOfDirectory('')]
  for (let end = key.indexOf('/'); end !== -1; end = key.indexOf('/', end + 1)) {
    tags.push(tagOfDirectory(key.slice(0, end)))
  }
  return tags
}

/** What else is to be evicted where pages are made of others. Tags need nothing more: they are inherited. */
export function partTagsTouchedBy(selectors: readonly Selector[]): TagSelector[] {
  return selectors
    .filter((selector) => selector.kind !== 'tag')
    .map((selector) => {
      const tag = selector.kind === 'key' ? tagOfKey(selector.key) : tagOfDirectory(selector.directory)
      return { kind: 'tag', tag, text: selector.text }
    })
}

/** A lineage of stores that know tags: all tags of a page, its parts' and those that stand for its name. */
export function writeLineage(key: string, tags: readonly string[]): string {
  return JSON.stringify([...new Set([...tags, ...partTagsOf(key)])])
}

/** The tags of these lineages. */
export function tagsOfLineages(lineages: readonly string[] = []): string[] {
  return lineages.flatMap((lineage) => JSON.parse(lineage) as string[])
}
