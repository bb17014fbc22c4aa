/** The name of an open eviction log never changes, so it is read once and not at every part that is asked for. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DiskStore, type Files } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemFiles } from '../../../src/stores/disk/files.js'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-log-name-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

/** Counts the reads of eviction logs. */
function countingFiles(): { files: Files; readonly reads: number } {
  const logs = new Set<number>()
  const counted = {
    reads: 0,
    files: {
      ...systemFiles,
      open: (place: string, flags: number, mode?: number) => {
        const fd = systemFiles.open(place, flags, mode)
        if (place.endsWith('/evictlog')) logs.add(fd)
        else logs.delete(fd)
        return fd
      },
      read: (fd: number, into: Uint8Array, position: number) => {
        if (logs.has(fd)) counted.reads++
        return systemFiles.read(fd, into, position)
      },
    },
  }
  return counted
}

async function keepPart(store: DiskStore, key: string): Promise<void> {
  const fill = store.begin(key)
  if (fill.kind !== 'fill') throw new Error('Nobody else renders here')
  expect(await fill.publish({ body: key, tags: ['menu'], renderBeganAtMs: Date.now(), isPart: true })).toBe('kept')
}

it('get() of a part that was asked for before reads nothing of the eviction log', async () => {
  const counted = countingFiles()
  const store = new DiskStore({ directory, files: counted.files })
  // From the first question on there are parts.
  store.get('part', { asPart: true })
  await keepPart(store, 'part')
  const first = await store.get('part', { asPart: true })
  const before = counted.reads
  expect(before).toBeGreaterThan(0)
  expect(await store.get('part', { asPart: true })).toEqual(first)
  expect(first?.lineage).toBeTypeOf('string')
  expect(counted.reads).toBe(before)
  await store.close()
})

it('get() of a part does not take a new log for the old one', async () => {
  const store = new DiskStore({ directory })
  store.get('part', { asPart: true })
  await keepPart(store, 'part')
  expect((await store.get('part', { asPart: true }))?.lineage).toBeTypeOf('string')
  // As when it has grown long.
  rmSync(path.join(directory, '.pagekeep/evictlog'))
  expect((await store.get('part', { asPart: true }))?.lineage).toBe(undefined)
  await store.close()
})
