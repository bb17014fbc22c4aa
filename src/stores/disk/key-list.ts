/** The keys of kept pages, found by walking: no index that could disagree with the files. */
import { keyProblem } from '../../core/key.js'
import type { Selector } from '../../core/selector.js'
import { type Disk, Slices } from './disk.js'
import { diskError } from './disk-error.js'
import type { TagIndex } from './tag-index.js'
import { walk } from './walk.js'

/** Regular files at places that are keys. A tag gives the pages that have, or once had, that tag. */
export async function* listKeys(disk: Disk, tags: TagIndex, selector: Selector | undefined): AsyncGenerator<string> {
  const isPage = (key: string) => disk.files.lstat(disk.layout.page(key))?.isFile() === true
  const slices = new Slices()
  try {
    if (selector?.kind === 'key') {
      if (isPage(selector.key)) yield selector.key
      return
    }
    if (selector?.kind === 'tag') {
      for (const key of new Set(tags.keysOf(selector.tag))) if (isPage(key)) yield key
      return
    }
    const enters = (directory: string) => selector?.mayReachInto(directory) ?? true
    for (const { path, kind, isHidden } of walk(disk.files, disk.layout.root, selector?.directory ?? '', { enters })) {
      if (slices.isFull()) await slices.pause()
      const key = kind === 'file' && !isHidden ? disk.layout.keyAt(path) : undefined
      if (key === undefined || keyProblem(key) !== undefined) continue
      if (selector?.matches(key) ?? true) yield key
    }
  } catch (thrown) {
    throw diskError('list the kept pages', thrown)
  }
}
