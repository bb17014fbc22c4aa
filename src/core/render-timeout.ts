/** The hard limit of a render: its signal is aborted, and nobody waits for it any longer. */
import type { Clock } from './clock.js'
import { PagekeepError } from './errors.js'

/** Settles as `rendering` does, or rejects with `render-timeout` after `timeoutMs`, aborting `timeout`. */
export function inTime<T>(
  rendering: Promise<T>,
  key: string,
  timeoutMs: number,
  clock: Clock,
  timeout: AbortController,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimer(() => {
      const message = `The render of "${key}" took longer than ${timeoutMs} ms and was given up (renderTimeoutMs).`
      const error = new PagekeepError('render-timeout', message, { key })
      timeout.abort(error)
      reject(error)
    }, timeoutMs)
    rendering.then(resolve, reject).finally(() => timer.cancel())
  })
}
