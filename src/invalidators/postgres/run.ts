/**
 * The invalidator as a process of its own: runs until SIGTERM or SIGINT, ends in order, and at the second
 * signal at once.
 */
import { type Invalidator, type Logger, silentLogger } from '../../core/invalidator.js'

export interface RunOptions {
  /** Default: silent. */
  readonly logger?: Logger
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[]
}

/**
 * Starts `invalidator` and resolves when it has been stopped by a signal; rejects when `start()` does.
 * Close the cache afterwards. `examples/freshports/listener.ts` is such a process.
 */
export async function runUntilSignal(invalidator: Invalidator, options: RunOptions = {}): Promise<void> {
  const { logger = silentLogger, signals = ['SIGTERM', 'SIGINT'] } = options
  // Its own timers keep no process alive, and there may be no connection at times.
  const alive = setInterval(() => {}, 2 ** 30)
  let received: (signal: NodeJS.Signals) => void = () => {}
  const firstSignal = new Promise<NodeJS.Signals>((resolve) => {
    received = resolve
  })
  let count = 0
  const onSignal = (signal: NodeJS.Signals) => {
    count++
    if (count > 1) process.exit(1)
    received(signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  try {
    const ended = await Promise.race([invalidator.start().then(() => undefined), firstSignal])
    logger.info(`${ended ?? (await firstSignal)}: the invalidator stops after the batch at hand.`)
    await invalidator.stop()
  } finally {
    clearInterval(alive)
    for (const signal of signals) process.off(signal, onSignal)
  }
}
