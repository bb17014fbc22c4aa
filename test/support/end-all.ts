/** The end of the processes that a test has started, whatever became of the test. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Kills those that still run, and waits for them; the list is empty afterwards. */
export async function endAll(started: ChildProcess[]): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
  }
}
