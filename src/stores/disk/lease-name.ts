/**
 * Names in `leases/`, reversible and unambiguous:
 *
 *   <stem>~<token>   one fill; `<stem>.lock` is the lock of the key
 *   <stem>           the key with `%` → `%25`, `/` → `%2f`, `~` → `%7e`; so a token name has exactly one
 *                    `~`, a lock name none, and a key that ends in `.lock` harms nobody
 *   <stem>           of a key too long for a file name: `%h` and a hash, which no encoded key starts with
 */
import { createHash } from 'node:crypto'

// A name has 255 bytes; a token takes up to 70 of them.
const maxStemBytes = 180

/** The stem of `key`. */
export function stemOf(key: string): string {
  const encoded = /[%/~]/.test(key)
    ? key.replace(/[%/~]/g, (character) => (character === '/' ? '%2f' : character === '~' ? '%7e' : '%25'))
    : key
  if (encoded.length * 3 <= maxStemBytes || Buffer.byteLength(encoded) <= maxStemBytes) return encoded
  return `%h${createHash('sha256').update(key).digest('hex').slice(0, 40)}`
}

/** The key of `stem`, or `undefined` when only its hash is known. */
export function keyOfStem(stem: string): string | undefined {
  if (!stem.includes('%')) return stem
  if (stem.startsWith('%h')) return undefined
  return stem.replace(/%2f|%7e|%25/g, (code) => (code === '%2f' ? '/' : code === '%7e' ? '~' : '%'))
}

/** The name of a key's lock. */
export function lockName(stem: string): string {
  return `${stem}.lock`
}

/** What a name in `leases/` means: a fill's token, or (`token` undefined) a lock. */
export function readLeaseName(name: string): { readonly stem: string; readonly token: string | undefined } {
  const cut = name.indexOf('~')
  if (cut !== -1) return { stem: name.slice(0, cut), token: name.slice(cut + 1) }
  return { stem: name.endsWith('.lock') ? name.slice(0, -'.lock'.length) : name, token: undefined }
}
