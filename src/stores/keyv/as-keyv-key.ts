/**
 * Any Keyv key as one of our keys, and back: what is before the first colon is a directory (Keyv 5 writes
 * `namespace:key`), the rest a file, both encoded by the rules of core/segment.ts. A key without a colon
 * lies in `~-`, which no value is encoded as.
 */
import { cutSegment, decodeValue, encodeValue, joinPieces, type SegmentStyle } from '../../core/segment.js'

const style: SegmentStyle = { separators: '', escapesUpperCase: true }
const noNamespace = '~-'

export function toPath(key: string): string {
  const colon = key.indexOf(':')
  const directory = colon === -1 ? noNamespace : directoryOf(key.slice(0, colon))
  return `${directory}/${segment(key.slice(colon + 1))}`
}

/** The directory of a namespace without a colon. */
export function directoryOf(namespace: string): string {
  return segment(namespace)
}

/** The Keyv key that `toPath` made `path` of, or `undefined` when it is none of its paths. */
export function fromPath(path: string): string | undefined {
  const [directory = '', file, ...more] = joinPieces(path).split('/')
  const key = file === undefined || more.length > 0 ? undefined : decodeValue(file)
  if (key === undefined || directory === noNamespace) return key
  const namespace = decodeValue(directory)
  return namespace === undefined ? undefined : `${namespace}:${key}`
}

function segment(value: string): string {
  return cutSegment(encodeValue(value, style))
}
