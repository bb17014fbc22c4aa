/** A selector as it is written on the command line: as everywhere, and `tag:NAME` for a tag. */
import { parseSelector, type Selector } from '../core/selector.js'

/** Throws `selector-invalid` or `tag-invalid`. A key that begins with `tag:` cannot be named here. */
export function readSelector(written: string): Selector {
  return parseSelector(written.startsWith('tag:') ? { tag: written.slice('tag:'.length) } : written)
}

/** What the cache is given. */
export function inputOf(selector: Selector): string | { tag: string } {
  return selector.kind === 'tag' ? { tag: selector.tag } : selector.text
}
