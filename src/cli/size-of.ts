/** The size of a kept page, without reading it: reading counts as a use for size limits. */
import { lstatSync } from 'node:fs'
import type { DiskStore } from '../stores/disk/index.js'

/** In bytes; `undefined` when it was evicted meanwhile. */
export function sizeOf({ directory }: Pick<DiskStore, 'directory'>, key: string): number | undefined {
  return lstatSync(`${directory}/${key}`, { throwIfNoEntry: false })?.size
}
