/**
 * The first half of every eviction: list `leases/` and unlink the tokens of the fills it touches, whoever
 * owns them. What was listed is all that matters: a token made later belongs to a render that began later.
 *
 * Of a key too long for a file name only the hash is known, so a pattern dooms all such fills: safe.
 */
import type { PatternSelector, Selector } from '../../core/selector.js'
import type { Disk } from './disk.js'
import { isAbsence } from './disk-error.js'
import { dropAbandonedLock } from './lease.js'
import { keyOfStem, lockName, readLeaseName, stemOf } from './lease-name.js'
import type { Tally } from './tally.js'

export interface Doomed {
  /** Keys, each with the selector it was named by. */
  readonly keys: ReadonlyMap<string, Selector>
  readonly patterns: readonly PatternSelector[]
  /** Dooms every fill, on behalf of this selector. */
  readonly all: Selector | undefined
}

export function doom(disk: Disk, doomed: Doomed, tally: Tally): void {
  const { files, layout } = disk
  const stems = new Map<string, Selector>()
  const stemsUnlinked = new Set<string>()
  let areStemsKnown = false
  for (const name of namesIn(disk, layout.leases)) {
    const { stem, token } = readLeaseName(name)
    if (token === undefined) continue
    // With nothing in flight, a large eviction encodes no keys at all.
    if (!areStemsKnown) for (const [key, selector] of doomed.keys) stems.set(stemOf(key), selector)
    areStemsKnown = true
    const selector = doomed.all ?? stems.get(stem) ?? patternOf(doomed.patterns, stem)
    if (selector === undefined) continue
    try {
      files.unlink(`${layout.leases}/${name}`)
      tally.doomed++
      stemsUnlinked.add(stem)
    } catch (thrown) {
      if (!isAbsence(thrown)) tally.fail(selector, keyOfStem(stem) ?? selector.text, thrown)
    }
  }
  for (const stem of stemsUnlinked) dropLock(disk, stem)
}

function patternOf(patterns: readonly PatternSelector[], stem: string): PatternSelector | undefined {
  const key = keyOfStem(stem)
  return patterns.find((pattern) => key === undefined || pattern.matches(key))
}

function dropLock(disk: Disk, stem: string): void {
  try {
    dropAbandonedLock(disk, `${disk.layout.leases}/${lockName(stem)}`)
  } catch {
    // The lock carries no safety; who comes next will find it abandoned.
  }
}

/** Without the directory there is no token either: every fill in flight has lost its own. */
function namesIn({ files }: Disk, directory: string): string[] {
  try {
    return files.names(directory)
  } catch (thrown) {
    if (isAbsence(thrown)) return []
    throw thrown
  }
}
