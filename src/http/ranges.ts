/** Parts of a page: RFC 9110, 14. One range is answered as 206; of several the whole page, as a server may. */

export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** The range asked for; `'all'` when the field is to be ignored, `'none'` when no byte of it exists (416). */
export function readRange(field: string | undefined, size: number): ByteRange | 'all' | 'none' {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(field?.trim() ?? '')
  if (match === null) return 'all'
  const [, from = '', to = ''] = match
  if (from === '') {
    if (to === '') return 'all'
    const length = Math.min(Number(to), size)
    return length === 0 ? 'none' : { first: size - length, last: size - 1 }
  }
  const first = Number(from)
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (to !== '' && Number(to) < first) return 'all'
  return first >= size ? 'none' : { first, last }
}
