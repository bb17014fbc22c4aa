/** `verify`: a sample of kept pages against what the site renders now, and how many nines of them are right. */

import { request } from '../addresses.js'
import { exitCodes } from '../exit-codes.js'
import { inputOf, readSelector } from '../selector-argument.js'
import { readCount, UsageError } from '../usage-error.js'
import { type Context, withCache } from '../workplace.js'

/** Exit code 1 when a page is stale, or one could not be rendered. */
export function verify(
  context: Context,
  [selector]: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { terminal, settings, signal } = context
  const sample = readShare(flags.sample as string | undefined)
  const graceMs = readCount('--grace', flags.grace as string | undefined, 1000, 0)
  const render = rendererOf(context)
  const { normalise } = settings.config.site ?? {}
  const wanted = selector === undefined ? undefined : inputOf(readSelector(selector))
  return withCache(context, async (cache) => {
    let count = 0
    cache.on('staleFound', ({ key }) => terminal.note(`stale: ${key}`))
    const found = await cache.verify({
      render: (key) => {
        terminal.progress(++count, undefined, key)
        return render(key)
      },
      sample,
      graceMs,
      signal,
      ...(wanted !== undefined && { selector: wanted }),
      ...(normalise !== undefined && { normalise }),
    })
    terminal.answer(found, ({ checked, undecided, failed, stale, nines }) => [
      ...failed.map(({ key, cause }) => `failed: ${key}: ${String(cause)}`),
      `${checked} pages checked, ${stale.length} stale, ${undecided} changed meanwhile, ${failed.length} could not be rendered.`,
      checked === 0
        ? 'Nothing was compared, so nothing is known.'
        : `${Number.isFinite(nines) ? nines.toFixed(1) : 'All'} nines are right.`,
    ])
    return found.stale.length + found.failed.length > 0 ? exitCodes.findings : exitCodes.ok
  })
}

function rendererOf({ settings, signal }: Context): (key: string) => Promise<string | Uint8Array> {
  const { site } = settings.config
  const { render, address, url, verifyHeaders } = site ?? {}
  if (render !== undefined) return async (key) => render(key)
  if (address === undefined || url === undefined || verifyHeaders === undefined) {
    throw new UsageError(
      'How pages are rendered is not known. Give the config site.render(key); or site.url, site.address(key) and site.verifyHeaders, which make your site render instead of answering what is kept.',
    )
  }
  return async (key) => {
    const path = address(key)
    if (path === undefined) throw new Error('site.address() knows no address for it')
    const { status, body } = await request(new URL(path, url).href, signal, verifyHeaders)
    if (status !== 200) throw new Error(`it was answered with ${status}`)
    return new TextDecoder().decode(body)
  }
}

function readShare(written: string | undefined): number {
  const share = Number(written ?? 1)
  if (share > 0 && share <= 1) return share
  throw new UsageError(`Expected --sample to be above 0 and up to 1, got "${written}"`)
}
