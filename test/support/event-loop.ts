import { onTestFinished } from 'vitest'

/** Counts how often the event loop comes round from now on, until the test ends. */
export function countTurns(): { count(): number } {
  let count = 0
  const next = () => {
    count++
    immediate = setImmediate(next)
  }
  let immediate = setImmediate(next)
  onTestFinished(() => clearImmediate(immediate))
  return { count: () => count }
}

/** Keeps the event loop from coming round for so long, in milliseconds. */
export function blockFor(ms: number): void {
  for (const untilMs = performance.now() + ms; performance.now() < untilMs; );
}
