/** What the person at the keyboard can mend: a wrong argument, variable or config. Ends the program with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** `value`, or a `UsageError`: a whole number from `least` on. */
export function readCount(what: string, value: string | undefined, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  const count = Number(value)
  if (/^\d+$/.test(value) && Number.isSafeInteger(count) && count >= least) return count
  throw new UsageError(`Expected ${what} to be a whole number, ${least} or more, got "${value}"`)
}
