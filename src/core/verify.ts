/**
 * The cache checked against the truth: kept pages are rendered again and compared.
 *
 * That a page differs proves nothing yet: its data may have changed a moment ago, and the eviction be on
 * its way. So it is looked at again after a grace: a page that is still the same, and still differs from a
 * new render, is stale. The model is Polaris ("Cache made consistent", Meta, 2022): measure from outside,
 * and count the nines.
 */
import type { Clock } from './clock.js'
import type { SelectorInput } from './selector.js'
import type { KeptPage, PageBody } from './store.js'

export interface VerifyOptions {
  /** Renders a key as the site does now. */
  render(key: string): PageBody | Promise<PageBody>
  /** Which pages. Default: all. */
  readonly selector?: SelectorInput
  /** The share of pages to check, above 0 up to 1. Default 1. */
  readonly sample?: number
  /** How long an eviction may be on its way, in milliseconds. Default 1000. */
  readonly graceMs?: number
  /** Removes what differs by design (a clock in the footer) before pages are compared. */
  normalise?(body: string, key: string): string
  /** Ends the check early, with what was found so far. */
  readonly signal?: AbortSignal
}

export interface Verification {
  /** How many pages were compared. */
  readonly checked: number
  /** Pages that went or changed while they were looked at, and prove nothing. */
  readonly undecided: number
  /** Pages whose render failed, with what it threw. */
  readonly failed: readonly { readonly key: string; readonly cause: unknown }[]
  /** The keys of stale pages. */
  readonly stale: readonly string[]
  /** `-log10` of the share that was stale: 3 is 99.9 % right. `Infinity` when none was. */
  readonly nines: number
}

export interface VerifyParts {
  readonly clock: Clock
  readonly random: () => number
  keys(selector?: SelectorInput): AsyncIterable<string>
  look(key: string): Promise<KeptPage | undefined>
  /** Called for each stale page as it is found. */
  found(key: string): void
}

export async function verify(options: VerifyOptions, parts: VerifyParts): Promise<Verification> {
  const { sample = 1, graceMs = 1000, selector, signal } = options
  if (!(sample > 0 && sample <= 1)) throw new RangeError(`Expected sample to be above 0 and up to 1, got ${sample}`)
  if (!(graceMs >= 0)) throw new RangeError(`Expected graceMs to be a number, 0 or more, got ${graceMs}`)
  const counts = { checked: 0, undecided: 0 }
  const failed: { key: string; cause: unknown }[] = []
  const stale: string[] = []
  for await (const key of parts.keys(selector)) {
    if (signal?.aborted) break
    if (sample < 1 && parts.random() >= sample) continue
    try {
      const verdict = await judgeKey(key, options, parts, graceMs)
      if (verdict === 'undecided') counts.undecided++
      else counts.checked++
      if (verdict !== 'stale') continue
      stale.push(key)
      parts.found(key)
    } catch (cause) {
      failed.push({ key, cause })
    }
  }
  return { ...counts, failed, stale, nines: -Math.log10(stale.length / Math.max(counts.checked, 1)) }
}

async function judgeKey(key: string, options: VerifyOptions, parts: VerifyParts, graceMs: number) {
  const before = await parts.look(key)
  if (before === undefined) return 'undecided'
  if (same(before.body, await options.render(key), key, options)) return 'right'
  await pause(graceMs, parts.clock)
  const truth = await options.render(key)
  const after = await parts.look(key)
  // Evicted or rendered anew meanwhile: then what differed was on its way out.
  if (after === undefined || after.renderBeganAtMs !== before.renderBeganAtMs) return 'undecided'
  return same(after.body, truth, key, options) ? 'right' : 'stale'
}

function same(kept: PageBody, truth: PageBody, key: string, { normalise }: VerifyOptions): boolean {
  if (typeof kept === 'string' && typeof truth === 'string') {
    return normalise === undefined ? kept === truth : normalise(kept, key) === normalise(truth, key)
  }
  return Buffer.from(kept as Uint8Array).equals(Buffer.from(truth as Uint8Array))
}

/** The clock's timers let a process end; whoever waits for this one does not want that. */
async function pause(delayMs: number, clock: Clock): Promise<void> {
  const keepAlive = setInterval(() => undefined, 2 ** 30)
  await new Promise<void>((resolve) => clock.setTimer(resolve, delayMs))
  clearInterval(keepAlive)
}
