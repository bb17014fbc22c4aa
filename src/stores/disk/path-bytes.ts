/**
 * File names that are not UTF-8, in strings and back. No page of ours has such a name, but whoever clears or
 * deletes a directory meets what others put there. A byte that is not part of a UTF-8 sequence becomes a
 * lone surrogate, U+DC80 to U+DCFF, which no proper name holds (as in Python, PEP 383); keys cannot be so.
 */

/** What the system is given for `path`: the text itself, or its bytes where some are escaped. */
export function pathBytes(path: string): string | Buffer {
  if (path.isWellFormed()) return path
  const parts = path.split(/([\udc80-\udcff]+)/u)
  return Buffer.concat(parts.map((part) => (/^[\udc80-\udcff]/u.test(part) ? rawBytes(part) : Buffer.from(part))))
}

/** The text for a name as the system gives it. */
export function nameOfBytes(bytes: Buffer): string {
  let name = ''
  for (let from = 0; from < bytes.length; ) {
    const length = sequenceLength(bytes, from)
    name +=
      length === 0 ? String.fromCharCode(0xdc00 + (bytes[from] ?? 0)) : bytes.toString('utf8', from, from + length)
    from += Math.max(length, 1)
  }
  return name
}

/** Whether Node put the replacement character where a byte was not UTF-8; or somebody truly wrote it. */
export function mayBeUnreadable(name: string): boolean {
  return name.includes('\ufffd')
}

function rawBytes(escaped: string): Buffer {
  return Buffer.from(Array.from(escaped, (character) => character.charCodeAt(0) & 0xff))
}

/** How many bytes from `at` on are one character of UTF-8; 0 when none are. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0
  const sequence = bytes.subarray(at, at + length)
  return length > 0 && Buffer.from(sequence.toString('utf8')).equals(sequence) ? length : 0
}
