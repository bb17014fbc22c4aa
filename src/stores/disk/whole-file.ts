/** Whole files through the seam: read one, write one, append one line. */
import { makeDirectory } from './directories.js'
import type { Disk } from './disk.js'
import { errnoOf } from './disk-error.js'
import { type Files, openFlags } from './files.js'

/** What `fd` holds from `from` to `size`, in `bytes` if given; shorter when the file has been cut meanwhile. */
export function readAll(
  files: Files,
  fd: number,
  size: number,
  from = 0,
  bytes: Buffer = Buffer.allocUnsafeSlow(Math.max(size - from, 0)),
): Buffer {
  let filled = 0
  while (filled < bytes.length) {
    const count = files.read(fd, bytes.subarray(filled), from + filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

/** As `readAll`, on a thread of the pool. */
export async function readAllLater(files: Files, fd: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size)
  let filled = 0
  while (filled < size) {
    const count = await files.readLater(fd, bytes.subarray(filled), filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}

export function writeAll(files: Files, fd: number, bytes: Uint8Array): void {
  let written = 0
  while (written < bytes.length) written += files.write(fd, bytes.subarray(written))
}

/** Writes `text` to a file of its own in `temp/` and renames it to `path`: readers see the old text or the new. */
export function replaceFile(disk: Disk, path: string, text: string): void {
  withDraft(disk, text, (draft) => disk.files.rename(draft, path))
}

/** As `replaceFile`, unless there is something at `path` already: that stays. */
export function createFile(disk: Disk, path: string, text: string): void {
  withDraft(disk, text, (draft) => {
    try {
      disk.files.link(draft, path)
    } catch (thrown) {
      if (errnoOf(thrown) !== 'EEXIST') throw thrown
    }
    disk.files.unlink(draft)
  })
}

function withDraft(disk: Disk, text: string, place: (draft: string) => void): void {
  const { files, owner, layout } = disk
  const token = owner.mint()
  const draft = `${layout.temp}/${token}`
  try {
    const fd = openDraft(disk, draft)
    try {
      files.fchmod(fd, disk.fileMode)
      writeAll(files, fd, Buffer.from(text))
    } finally {
      files.close(fd)
    }
    place(draft)
  } catch (thrown) {
    if (files.lstat(draft) !== undefined) files.unlink(draft)
    throw thrown
  } finally {
    owner.retire(token)
  }
}

function openDraft({ files, layout, fileMode, directoryMode }: Disk, draft: string): number {
  try {
    return files.open(draft, openFlags.create, fileMode)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
  }
  // Somebody removed `temp/` by hand; nothing in it is worth more than its making.
  makeDirectory(files, layout.temp, directoryMode)
  return files.open(draft, openFlags.create, fileMode)
}

/** Gives a file of all processes its mode, whatever the umask; one of another user has it already. */
export function setMode({ files, fileMode }: Disk, fd: number): void {
  if ((Number(files.fstat(fd).mode) & 0o777) === fileMode) return
  try {
    files.fchmod(fd, fileMode)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EPERM') throw thrown
  }
}

/**
 * Appends `lines` in one write to the file that `path` names *afterwards*: a file that was renamed away
 * meanwhile (compaction, rotation) may have been read already, so the lines are appended again.
 * `open` makes the file if it is not there. Returns the file's size.
 */
export function appendLines(
  disk: Disk,
  path: string,
  lines: Uint8Array,
  open: () => number = () => disk.files.open(path, openFlags.append, disk.fileMode),
): number {
  const { files } = disk
  for (;;) {
    const fd = open()
    try {
      const written = files.write(fd, lines)
      // The rest in a second write could be torn apart by another's line.
      if (written !== lines.length)
        throw Object.assign(new Error('only part of a line was written'), { code: 'ENOSPC' })
      const { ino, size, mode } = files.fstat(fd)
      // At the first line; or later, if the process that wrote that was killed before it did this.
      if ((Number(mode) & 0o777) !== disk.fileMode) setMode(disk, fd)
      if (files.stat(path)?.ino === ino) return Number(size)
    } finally {
      files.close(fd)
    }
  }
}
