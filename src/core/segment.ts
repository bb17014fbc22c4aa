/**
 * Any value as part of a path segment, reversibly, and over-long segments in pieces.
 *
 * - Letters, digits and `- _ . + @ , =` stand for themselves; every other byte of the value's UTF-8 is
 *   `%xx` in lower case (lower case, so that a case-insensitive disk cannot confuse two of them).
 * - A leading dot is escaped (no `..`, no dotfiles); in a value of over 100 characters every dot is.
 * - The empty value is `~e`. `~` stands nowhere else but at a cut:
 * - a segment of over 200 characters is cut into pieces that end in `~`: `<200 characters>~/<rest>`.
 *   The joined form is called *logical*; patterns match logical segments, so a cut is never seen.
 *
 * The PostgreSQL side encodes by the same rules; keep them this simple.
 */

const longValue = 100
const pieceLength = 200

/** How a route wants its values written. */
export interface SegmentStyle {
  /** Characters that separate values in this segment, so that no value may show them. */
  readonly separators: string
  /** Whether upper-case letters are escaped, for disks that do not tell `A` from `a`. */
  readonly escapesUpperCase: boolean
}

export function encodeValue(value: string, style: SegmentStyle): string {
  if (!value.isWellFormed()) {
    throw new TypeError(`Expected a value of well-formed Unicode, got ${JSON.stringify(value)}`)
  }
  if (value === '') return '~e'
  const isLong = value.length > longValue
  let encoded = ''
  for (const byte of Buffer.from(value)) {
    const character = String.fromCharCode(byte)
    const escapesDot = character === '.' && (isLong || encoded === '')
    const isPlain = isUnreserved(character, style) && !style.separators.includes(character)
    encoded += isPlain && !escapesDot ? character : `%${byte.toString(16).padStart(2, '0')}`
  }
  return encoded
}

/** The value that `encodeValue` wrote, or `undefined` when it wrote no such text. */
export function decodeValue(encoded: string): string | undefined {
  if (encoded === '~e') return ''
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

/** Cuts a segment that is too long for a file name: `aaa…~/bbb`. No piece starts with a dot. */
export function cutSegment(segment: string): string {
  let rest = segment
  let pieces = ''
  while (rest.length > pieceLength) {
    let end = pieceLength
    while (rest[end] === '.' && end > 1) end--
    pieces += `${rest.slice(0, end)}~/`
    rest = rest.slice(end)
  }
  return pieces + rest
}

/** The logical form of a key or pattern: pieces joined. */
export function joinPieces(path: string): string {
  return path.replaceAll('~/', '')
}

function isUnreserved(character: string, style: SegmentStyle): boolean {
  if (/[A-Z]/.test(character)) return !style.escapesUpperCase
  return /[a-z0-9\-_.+@,=]/.test(character)
}
