/** "Did you mean": the name that differs least from one that is unknown. */

/** The nearest of `names`, or `undefined` when none is near (more than two fifths of it differ). */
export function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const limit = Math.ceil(wrong.length * 0.4)
  const measured = names.map((name) => ({ name, distance: distanceBetween(wrong.toLowerCase(), name.toLowerCase()) }))
  const [best] = measured.filter(({ distance }) => distance <= limit).sort((a, b) => a.distance - b.distance)
  return best?.name
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(wrong: string, names: readonly string[]): string {
  const nearest = nearestName(wrong, names)
  return nearest === undefined ? '' : ` (did you mean "${nearest}"?)`
}

/** Levenshtein's distance: how many characters to insert, delete or replace. */
function distanceBetween(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current[column] = Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1)
    }
    above = current
  }
  return above[b.length] ?? 0
}
