/** Addresses of the site as they are written on the command line, and asking for one. */
import type { Settings } from './config/settings.js'
import { UsageError } from './usage-error.js'

/** An address, or a path below `site.url`. Throws `UsageError`. */
export function readAddress(written: string, { config }: Pick<Settings, 'config'>): string {
  const base = config.site?.url
  if (!URL.canParse(written, base)) {
    throw new UsageError(
      `"${written}" is no address${base === undefined ? ', and the config has no site.url that it could be below' : ''}.`,
    )
  }
  const url = new URL(written, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`Expected an address of http or https, got "${written}"`)
  return url.href
}

export interface Reply {
  readonly status: number
  readonly bytes: number
  readonly ms: number
  readonly body: Uint8Array
}

/** Asks for a page and reads it whole; redirects are answers. Rejects when there is none within half a minute. */
export async function request(
  address: string,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const beganMs = performance.now()
  const response = await fetch(address, {
    redirect: 'manual',
    headers: { 'user-agent': 'pagekeep', ...headers },
    signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
  })
  const body = new Uint8Array(await response.arrayBuffer())
  return { status: response.status, bytes: body.length, ms: performance.now() - beganMs, body }
}
