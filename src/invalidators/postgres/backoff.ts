/** Waiting times that double up to a limit. */

export interface BackoffOptions {
  readonly minMs: number
  readonly maxMs: number
}

/** The wait before attempt `attempts + 1`, after `attempts` failures (1, 2, ...). */
export function backoffMs(attempts: number, { minMs, maxMs }: BackoffOptions): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempts - 1, 40))
}

/**
 * The same with full jitter, so that many processes do not come back in step
 * (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
 */
export function jitteredBackoffMs(attempts: number, options: BackoffOptions): number {
  return Math.random() * backoffMs(attempts, options)
}
