/** Signals and the few waits that this program has; each wait says what needs it. */

export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function gate(): Gate {
  let open: Gate['open'] = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/**
 * Some peers compare moments in milliseconds: two steps within one would be judged by chance. A render and an
 * invalidation take longer than that in life.
 */
export const clockTicks = () => wait(20)

/** How long a call may be silent before it counts as waiting for another one, in milliseconds. */
export const patienceMs = 500

/** Whether `promise` is settled within `patienceMs`. */
export async function settlesSoon(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  )
  return Promise.race([settled, wait(patienceMs).then(() => false)])
}

/** Asks until the answer is something, for at most `patienceMs`: a peer may write after it has answered. */
export async function appears(ask: () => Promise<unknown>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while ((await ask()) == null && performance.now() < deadlineMs) await wait(10)
}

/** `work`, or a rejection after `limitMs`: a peer that never answers must not stop the table. */
export async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
