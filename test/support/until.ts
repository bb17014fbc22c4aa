/** Waiting for what other processes do: looked for again and again, with a deadline that no busy machine comes near. */
import { setTimeout as delay } from 'node:timers/promises'

const patienceMs = 150_000

/** Resolves when `isSo` says so. Rejects after 150 s, naming `what`, and with what `more` adds then. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  more: () => string = () => '',
): Promise<void> {
  const deadlineMs = Date.now() + patienceMs
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`It did not come to be: ${what}\n${more()}`.trimEnd())
    await delay(25)
  }
}
