/** How old the sign of life of the listener may be: as the flag says, else the config, else half a minute. */
import type { Settings } from './config/settings.js'
import { readCount } from './usage-error.js'

const fallbackMs = 30_000

/** In milliseconds. `seconds`: what `--max-lag` says. Throws `UsageError`. */
export function maxLagOf({ config }: Pick<Settings, 'config'>, seconds: string | undefined): number {
  return seconds === undefined ? (config.maxLagMs ?? fallbackMs) : 1000 * readCount('--max-lag', seconds, 0)
}
