/**
 * How the purge calls of some CDNs look. Sources: Fastly's API reference ("Purge multiple surrogate key tags"),
 * Cloudflare's ("Purge cached content", by tags), the documentation of Varnish's vmod_xkey and of `ban`.
 */
import type { CdnApi } from './cdn-target.js'

interface HttpApiOptions {
  /** Default: the global one. */
  readonly fetch?: typeof fetch
}

export interface FastlyOptions extends HttpApiOptions {
  readonly serviceId: string
  /** With the scope to purge by key. */
  readonly token: string
  /** Marks pages as stale instead of dropping them: they may be shown while a new one is fetched. Default `false`. */
  readonly isSoft?: boolean
}

/** Needs `emitTags: ['Surrogate-Key']`. */
export function fastly({ serviceId, token, isSoft = false, ...options }: FastlyOptions): CdnApi {
  const url = `https://api.fastly.com/service/${encodeURIComponent(serviceId)}/purge`
  const headers = { 'Fastly-Key': token, ...(isSoft && { 'Fastly-Soft-Purge': '1' }) }
  return {
    name: 'fastly',
    maxNames: 256,
    purge: (names, signal) => call(options, url, { headers, json: { surrogate_keys: names }, signal }),
  }
}

export interface CloudflareOptions extends HttpApiOptions {
  readonly zoneId: string
  readonly token: string
}

/** Needs `emitTags: ['Cache-Tag']`. */
export function cloudflare({ zoneId, token, ...options }: CloudflareOptions): CdnApi {
  const url = `https://api.cloudflare.com/client/v4/zones/${encodeURIComponent(zoneId)}/purge_cache`
  const headers = { Authorization: `Bearer ${token}` }
  return {
    name: 'cloudflare',
    maxNames: 30,
    purge: (names, signal) => call(options, url, { headers, json: { tags: names }, signal }),
  }
}

export interface VarnishOptions extends HttpApiOptions {
  /** Where Varnish listens, with a path that its VCL purges for: `http://127.0.0.1:6081/`. */
  readonly url: string
  /** The method that the VCL takes for a purge. Default `PURGE`. */
  readonly method?: string
  /** The field that the VCL hands to `xkey.purge()`. Default `xkey-purge`. */
  readonly header?: string
}

/** For a VCL with `xkey.purge(req.http.xkey-purge)`. Needs `emitTags: ['Surrogate-Key']` and the VCL to read it as `xkey`. */
export function varnishXkey({ url, method = 'PURGE', header = 'xkey-purge', ...options }: VarnishOptions): CdnApi {
  return {
    name: 'varnish',
    maxNames: 64,
    purge: (names, signal) => call(options, url, { method, headers: { [header]: names.join(' ') }, signal }),
  }
}

/**
 * For a VCL with `ban("obj.http.Surrogate-Key ~ " + req.http.ban-keys)`: one regular expression for all names. Needs
 * `emitTags: ['Surrogate-Key']`.
 */
export function varnishBan({ url, method = 'BAN', header = 'ban-keys', ...options }: VarnishOptions): CdnApi {
  const escaped = (name: string) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return {
    name: 'varnish',
    maxNames: 32,
    purge: (names, signal) =>
      call(options, url, { method, headers: { [header]: `(^| )(${names.map(escaped).join('|')})( |$)` }, signal }),
  }
}

export interface GenericOptions extends HttpApiOptions {
  /** For messages. Default `cdn`. */
  readonly name?: string
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly maxNames?: number
  /** What is sent as JSON. Default `{ keys: names }`. */
  readonly body?: (names: readonly string[]) => unknown
}

/** Any CDN that takes a list of names as JSON. */
export function genericCdn(options: GenericOptions): CdnApi {
  const { name = 'cdn', url, method = 'POST', headers = {}, maxNames = 100, body = (keys) => ({ keys }) } = options
  return {
    name,
    maxNames,
    purge: (names, signal) => call(options, url, { method, headers, json: body(names), signal }),
  }
}

interface Call {
  readonly method?: string
  readonly headers: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly signal: AbortSignal
}

async function call(
  options: HttpApiOptions,
  url: string,
  { method = 'POST', headers, json, signal }: Call,
): Promise<void> {
  const response = await (options.fetch ?? fetch)(url, {
    method,
    signal,
    headers: { ...headers, ...(json !== undefined && { 'Content-Type': 'application/json' }) },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`it answered ${response.status}: ${text.slice(0, 200)}`)
  // Cloudflare may say so in the body alone.
  if (/"success"\s*:\s*false/.test(text)) throw new Error(`it refused: ${text.slice(0, 200)}`)
}
