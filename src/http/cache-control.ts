/**
 * The field Cache-Control, read as RFC 9111, 5.2 says; and fields targeted at one kind of cache
 * (`CDN-Cache-Control`, RFC 9213), which are dictionaries of structured fields (RFC 8941) and ignored whole when
 * they are not.
 */

/** Directives by lower-case name; those without a value are `true`. The first of a name counts. */
export type Directives = ReadonlyMap<string, string | true>

/** What is written badly is left out, and what it stands beside is not. */
export function parseCacheControl(value: string | undefined): Directives {
  const found = new Map<string, string | true>()
  // A comma inside a quoted string separates nothing.
  for (const part of (value ?? '').match(/(?:"(?:[^"\\]|\\.)*"?|[^",])+/g) ?? []) {
    const [, name, argument] = /^\s*([^\s=",;]+)(?:=(.*?))?\s*$/s.exec(part) ?? []
    if (name === undefined || found.has(name.toLowerCase())) continue
    found.set(name.toLowerCase(), argument === undefined ? true : unquote(argument))
  }
  return found
}

/**
 * A number of seconds. `undefined` when the directive is not there; 0, which is stale, when it is no number
 * (RFC 9111, 4.2.1 says so for freshness); never more than 2^31 (1.2.2).
 */
export function secondsOf(directives: Directives, name: string): number | undefined {
  const value = directives.get(name)
  if (value === undefined) return undefined
  return value !== true && /^\d+$/.test(value) ? Math.min(Number(value), 2 ** 31) : 0
}

/**
 * A targeted field's directives. `undefined` when it is not there, is empty or is no dictionary of structured fields:
 * then Cache-Control counts (RFC 9213, 2.1). A member aimed at another cache than `cacheName` by a parameter, as in
 * the older `Surrogate-Control: max-age=60;other`, is left out.
 */
export function parseTargeted(value: string | undefined, cacheName: string): Directives | undefined {
  if (value === undefined || value.trim() === '') return undefined
  const found = new Map<string, string | true>()
  let rest = value.trim()
  for (;;) {
    const member =
      /^([a-z*][a-z0-9_\-.*]*)(=(?:(-?\d{1,15}(?:\.\d{1,3})?)|("(?:[ !#-[\]-~]|\\["\\])*")|([A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)|(\?[01])))?/i.exec(
        rest,
      )
    if (member === null) return undefined
    const [whole, name = '', equals, number, text, token, boolean] = member
    rest = rest.slice(whole.length)
    const parameters = /^(?:;[ ]*[a-z*][a-z0-9_\-.*]*(?:=[^;,\s]+)?)*/i.exec(rest)?.[0] ?? ''
    rest = rest.slice(parameters.length)
    const isSwitch = equals === undefined || boolean === '?1'
    // A duration must be an integer: of another type, the whole field is unusable for us.
    const isDuration = /^(?:max-age|s-maxage|stale-while-revalidate|stale-if-error)$/i.test(name)
    if (isDuration && (number === undefined || number.includes('.'))) return undefined
    const isForUs =
      parameters === '' ||
      parameters
        .slice(1)
        .split(';')
        .some((target) => target.trim() === cacheName)
    if (isForUs && boolean !== '?0') found.set(name.toLowerCase(), isSwitch ? true : (number ?? text ?? token ?? ''))
    if (/^[ \t]*$/.test(rest)) return found.size === 0 ? undefined : found
    const comma = /^[ \t]*,[ \t]*/.exec(rest)
    if (comma === null) return undefined
    rest = rest.slice(comma[0].length)
    if (rest === '') return undefined
  }
}

function unquote(argument: string): string {
  return /^".*"$/s.test(argument) ? argument.slice(1, -1).replace(/\\(.)/g, '$1') : argument
}
