/**
 * A `pg_snapshot` as text, `xmin:xmax:xip,xip`: which transactions had ended when it was taken.
 *
 * Snapshots of one primary form a chain: of any two, one has seen all that the other has. `xmax` is one past
 * the last transaction that has *ended*, not the last that has begun: one in progress may lie beyond it.
 */

export interface Snapshot {
  /** All before it had ended. */
  readonly xmin: bigint
  /** None from here on had ended. */
  readonly xmax: bigint
  /** In between, those that had not. */
  readonly open: ReadonlySet<bigint>
}

/** Throws a `TypeError` for what is not a snapshot. */
export function parseSnapshot(text: string): Snapshot {
  const found = /^(\d+):(\d+):([\d,]*)$/.exec(text)
  if (found === null) throw new TypeError(`Expected a pg_snapshot such as "10:12:10", got ${JSON.stringify(text)}`)
  const [, xmin = '', xmax = '', open = ''] = found
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), open: new Set(open === '' ? [] : open.split(',').map(BigInt)) }
}

/** Whether `xid` had ended when `snapshot` was taken. */
export function hasEnded(xid: bigint, { xmin, xmax, open }: Snapshot): boolean {
  return xid < xmin || (xid < xmax && !open.has(xid))
}

/** Whether all that had ended in `earlier` had ended in `later`. */
export function covers(later: Snapshot, earlier: Snapshot): boolean {
  for (const xid of later.open) if (hasEnded(xid, earlier)) return false
  // Between the two ends, only what was open in `earlier` may be missing.
  for (let xid = later.xmax; xid < earlier.xmax; xid++) if (hasEnded(xid, earlier)) return false
  return true
}
