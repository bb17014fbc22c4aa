/**
 * What dead processes left: tokens, locks, drafts, trash. Removing a token dooms a fill and nothing else,
 * so a wrong suspicion is safe; it is done once, in the background of a store's first use.
 */

import type { Asides } from './asides.js'
import { type Disk, Slices } from './disk.js'
import { diskError, errnoOf, isAbsence } from './disk-error.js'
import { dropHomeDraft, homeDraftPrefix } from './first-use.js'
import { identityOf } from './lease.js'
import { readLeaseName } from './lease-name.js'
import { markerDraftPrefix, probePrefix } from './preparation.js'
import type { TagCompaction } from './tag-compaction.js'
import type { Trash } from './trash.js'

export interface LeftoverParts {
  readonly disk: Disk
  readonly trash: Trash
  readonly compaction: TagCompaction
  readonly asides: Asides
}

export async function clearLeftovers({ disk, trash, compaction, asides }: LeftoverParts): Promise<void> {
  // Whoever waits for the store's first answer comes first.
  await new Slices().pause()
  const { fault, layout } = disk
  const works = [
    () => clearLeases(disk),
    () => clearDrafts(disk),
    () => compaction.adopt(),
    () => asides.sweep(),
    () => trash.adopt(),
  ]
  for (const work of works) {
    try {
      await work()
    } catch (thrown) {
      // One that another user's file stops must not stop the others.
      if (!isAbsence(thrown)) fault(diskError(`clean up after others in "${layout.home}"`, thrown))
    }
  }
}

function clearLeases(disk: Disk): void {
  const { files, layout } = disk
  const path = (name: string) => `${layout.leases}/${name}`
  const identity = (name: string) => identityOf(files.lstat(path(name)))
  const isLock = (name: string) => readLeaseName(name).token === undefined
  const names = files.names(layout.leases)
  // They come first: one that is taken while the tokens are looked at is another.
  const locks = names.filter(isLock).map((name) => ({ name, lock: identity(name) }))
  for (const name of names) {
    const { token } = readLeaseName(name)
    if (token !== undefined) removeIfAbandoned(disk, path(name), token)
  }
  const tokens = files.names(layout.leases).filter((name) => !isLock(name))
  const inFlight = new Set(tokens.map(identity))
  // A lock that shares its file with no token is left from a fill that was doomed, or published and then killed.
  for (const { name, lock } of locks) {
    if (lock !== undefined && !inFlight.has(lock) && identity(name) === lock) unlinkIfThere(disk, path(name))
  }
}

function clearDrafts(disk: Disk): void {
  const { files, layout } = disk
  for (const token of files.names(layout.temp)) removeIfAbandoned(disk, `${layout.temp}/${token}`, token)
  for (const name of files.names(layout.tags)) {
    if (name.startsWith(markerDraftPrefix)) {
      removeIfAbandoned(disk, `${layout.tags}/${name}`, name.slice(markerDraftPrefix.length))
    }
  }
  for (const name of files.names(layout.root)) {
    if (name.startsWith(probePrefix)) {
      removeIfAbandoned(disk, `${layout.root}/${name}`, name.slice(probePrefix.length))
    }
    if (name.startsWith(homeDraftPrefix)) {
      const draft = `${layout.root}/${name}`
      const stats = files.lstat(draft)
      const token = name.slice(homeDraftPrefix.length)
      if (stats !== undefined && disk.owner.isAbandoned(token, Number(stats.mtimeMs))) dropHomeDraft(disk, draft)
    }
  }
}

function removeIfAbandoned(disk: Disk, path: string, token: string): void {
  const stats = disk.files.lstat(path)
  if (stats !== undefined && disk.owner.isAbandoned(token, Number(stats.mtimeMs))) unlinkIfThere(disk, path)
}

function unlinkIfThere({ files }: Disk, path: string): void {
  try {
    files.unlink(path)
  } catch (thrown) {
    // A directory among our files is nobody's leftover.
    if (!isAbsence(thrown) && errnoOf(thrown) !== 'EISDIR') throw thrown
  }
}
