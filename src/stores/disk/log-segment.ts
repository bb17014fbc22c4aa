/**
 * How the publish log is written down: the names of its segments and the lines in them. Names carry the sums,
 * so that the size of a directory is known by listing names alone.
 */
import { keyProblem } from '../../core/key.js'
import { readLeaseName } from './lease-name.js'

/** One page, as it was kept. */
export interface LogLine {
  /** What the page counts for. */
  readonly bytes: number
  readonly inode: string
  /** In milliseconds since 1970; 0: never. */
  readonly expiresAtMs: number
  readonly key: string
}

/** What is known of a closed segment by its name. */
export interface Segment {
  readonly name: string
  readonly atMs: number
  readonly bytes: number
  readonly lines: number
}

export type SegmentSums = Omit<Segment, 'name'>

/** `open`: its owner appends to it. `full`: closed. `held`: a sweep works on it. */
export type SegmentKind = 'open' | 'full' | 'held'

export function openName(token: string): string {
  return `open~${token}`
}

export function segmentName(kind: 'full' | 'held', { atMs, bytes, lines }: SegmentSums, token: string): string {
  return `${kind}.${Math.floor(atMs)}.${bytes}.${lines}~${token}`
}

/** `undefined` for anything else that lies there. */
export function readSegmentName(
  name: string,
): (Segment & { readonly kind: SegmentKind; readonly token: string }) | undefined {
  const { stem, token } = readLeaseName(name)
  if (token === undefined) return undefined
  const [kind, atMs = 0, bytes = 0, lines = 0, ...more] = stem
    .split('.')
    .map((part, at) => (at > 0 ? Number(part) : part))
  if (kind !== 'open' && kind !== 'full' && kind !== 'held') return undefined
  const sums = [Number(atMs), Number(bytes), Number(lines)] as const
  if (more.length > 0 || !sums.every((sum) => Number.isSafeInteger(sum) && sum >= 0)) return undefined
  return { kind, token, name, atMs: sums[0], bytes: sums[1], lines: sums[2] }
}

/** Begins and ends with a newline, so that the torn line of a full disk cannot swallow the next one. */
export function textOf({ bytes, inode, expiresAtMs, key }: LogLine): string {
  return `\n${bytes} ${inode} ${expiresAtMs} ${key}\n`
}

/** The whole lines in `text`, which may begin and end within one. */
export function linesIn(text: string): LogLine[] {
  const lines: LogLine[] = []
  for (const part of text.split('\n').slice(1, -1)) {
    const [, bytes, inode = '', expiresAtMs, key = ''] = /^(\d+) (\d+) (\d+) (.+)$/.exec(part) ?? []
    // A torn line may hold the beginning of a key; its inode tells. But nothing may lead out of the directory.
    if (bytes === undefined || keyProblem(key) !== undefined) continue
    lines.push({ bytes: Number(bytes), inode, expiresAtMs: Number(expiresAtMs), key })
  }
  return lines
}

export function bytesOf(lines: readonly LogLine[]): number {
  return lines.reduce((sum, line) => sum + line.bytes, 0)
}
