/**
 * A key: a relative path, `/` between segments, that is also the place of the page in a disk store.
 *
 * The rules are those of a file name that cannot surprise: no segment that is empty or starts with a
 * dot (so no `..`, no dotfile, no bookkeeping), no control character, no `\`, no `*` (patterns use it).
 */
import { PagekeepError } from './errors.js'

/** The longest segment, in UTF-8 bytes: a file name has 255, less room for a suffix such as `.gz`. */
export const maxSegmentBytes = 240
/** The longest key, in UTF-8 bytes: a path has 4096, less room for the directory in front. */
export const maxKeyBytes = 3000

/** What is wrong with `key`, or `undefined` when nothing is. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string') return `it is ${key === null ? 'null' : typeof key}, not a string`
  if (key === '') return 'it is empty'
  if (key.startsWith('/')) return 'it starts with "/"; keys are relative'
  const problem = textProblem(key, maxKeyBytes)
  if (problem !== undefined) return problem
  if (key.includes('*')) return 'it has a "*", which only patterns have'
  for (const segment of key.split('/')) {
    if (segment === '') return 'it has an empty segment ("//" or a "/" at the end)'
    if (segment.startsWith('.')) return `its segment "${shorten(segment)}" starts with a dot`
    if (Buffer.byteLength(segment) > maxSegmentBytes) {
      return `its segment "${shorten(segment)}" is ${Buffer.byteLength(segment)} bytes long; the limit is ${maxSegmentBytes}`
    }
  }
  return undefined
}

/** Returns `key`, or throws `key-invalid`. */
export function checkKey(key: string): string {
  const problem = keyProblem(key)
  if (problem === undefined) return key
  throw invalidKey(key, problem)
}

export function invalidKey(key: unknown, problem: string): PagekeepError {
  const shown = typeof key === 'string' ? `"${shorten(key)}"` : String(key)
  return new PagekeepError(
    'key-invalid',
    `The key ${shown} cannot be used: ${problem}. Make keys with route(), which encodes any value.`,
    typeof key === 'string' ? { key } : {},
  )
}

/** What is wrong with a text that becomes part of a path or of a line in a log. */
export function textProblem(text: string, maxBytes: number): string | undefined {
  if (!text.isWellFormed()) return 'it is not well-formed Unicode (a lone surrogate)'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const bad = /[\u0000-\u001f\u007f\\]/.exec(text)
  if (bad !== null) return `it has the character ${nameOf(bad[0])}`
  const bytes = Buffer.byteLength(text)
  return bytes > maxBytes ? `it is ${bytes} bytes long; the limit is ${maxBytes}` : undefined
}

function nameOf(character: string): string {
  if (character === '\\') return '"\\"'
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}
