/**
 * P1, found by the model (test/model/tags.test.ts, "a tag log that is not there is not made by its reader").
 * An evictor opened a tag log while a rewriter had it renamed away, and took it for empty, because it was away
 * again when the evictor looked a second time: for the next rewriting.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type Files, openFlags, systemFiles } from '../../src/stores/disk/files.js'
import { Layout } from '../../src/stores/disk/layout.js'
import { Owner } from '../../src/stores/disk/owner.js'
import { bucketOf, TagIndex } from '../../src/stores/disk/tag-index.js'

it('keysOf() finds what was registered, though the log is away whenever it is looked for', () => {
  const root = mkdtempSync(join(tmpdir(), 'pagekeep-regression-'))
  try {
    const layout = new Layout(root)
    for (const directory of layout.directories) systemFiles.mkdir(directory, 0o755)
    const disk = { layout, owner: new Owner(systemFiles), fileMode: 0o644, directoryMode: 0o755, fault: () => {} }
    new TagIndex({ ...disk, files: systemFiles }).register('page.html', ['port:1'])

    const bucket = bucketOf('port:1')
    const rewriter = new Rewriter(`${layout.tags}/${bucket}`, `${layout.compacting}/${bucket}~`)
    let looks = 0
    const files: Files = {
      ...systemFiles,
      open(path, flags, mode) {
        if (path === rewriter.log && looks++ === 0) rewriter.begin()
        return systemFiles.open(path, flags, mode)
      },
      names(directory) {
        rewriter.end()
        return systemFiles.names(directory)
      },
      stat(path) {
        if (path === rewriter.log && looks === 1) rewriter.begin()
        return systemFiles.stat(path)
      },
    }
    expect([...new TagIndex({ ...disk, files }).keysOf('port:1')]).toContain('page.html')
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

/** Rewrites a tag log as tag-compaction.ts does, in two halves. */
class Rewriter {
  readonly log: string
  readonly #parts: string
  #part: string | undefined
  #count = 0

  constructor(log: string, parts: string) {
    this.log = log
    this.#parts = parts
  }

  begin(): void {
    this.#part = `${this.#parts}${++this.#count}`
    systemFiles.rename(this.log, this.#part)
  }

  end(): void {
    if (this.#part === undefined) return
    const fd = systemFiles.open(this.log, openFlags.append, 0o644)
    systemFiles.write(fd, Buffer.from(systemFiles.text(this.#part)))
    systemFiles.close(fd)
    systemFiles.unlink(this.#part)
    this.#part = undefined
  }
}
