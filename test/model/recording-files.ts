/**
 * The seam of the disk store, with each call that another process could notice written down by the name that
 * the model has for it. Drafts in `temp/`, the preparation of the directory and the deletion of trash are private,
 * or come later in the background: they have no name here.
 */
import { basename, dirname } from 'node:path'
import type { Files } from 'pagekeep/stores/disk'
import { openFlags } from '../../src/stores/disk/files.js'
import type { Layout } from '../../src/stores/disk/layout.js'
import type { StepName } from './step-names.js'

type Kind =
  | 'token'
  | 'lock'
  | 'leases'
  | 'eviction log'
  | 'bucket'
  | 'compacting'
  | 'part'
  | 'record'
  | 'records directory'
  | 'trash'
  | 'page'
  | 'page directory'
  | 'other'

export interface Recording {
  readonly files: Files
  /** The steps since the last call of `take`. */
  take(): StepName[]
}

/** Records what is done to the page of `key` in the directory of `layout`, by the calls of `files`. */
export function recording(files: Files, layout: Layout, key: string): Recording {
  let steps: StepName[] = []
  const opened = new Map<number, { readonly kind: Kind; isWritten: boolean }>()
  const kindOf = (path: string) => kindOfPath(path, layout, key)
  const note = (name: StepName | undefined) => {
    // A long file is read in several calls.
    if (name !== undefined && !(name.startsWith('read ') && steps.at(-1) === name)) steps.push(name)
  }
  const stat = (path: string) => note(statNames[kindOf(path)])
  const recorded: Files = {
    ...files,
    open(path, flags, mode) {
      const kind = kindOf(path)
      note(kind === 'token' && flags === openFlags.create ? 'create token' : openNames[kind])
      const fd = files.open(path, flags, mode)
      opened.set(fd, { kind, isWritten: false })
      return fd
    },
    close(fd) {
      opened.delete(fd)
      files.close(fd)
    },
    write(fd, bytes) {
      const file = opened.get(fd)
      if (file !== undefined) {
        note(writeNames[file.kind])
        file.isWritten = true
      }
      return files.write(fd, bytes)
    },
    read(fd, into, position) {
      note(readNames[opened.get(fd)?.kind ?? 'other'])
      return files.read(fd, into, position)
    },
    fstat(fd) {
      const file = opened.get(fd)
      if (file?.kind === 'eviction log' && !file.isWritten) note('fstat eviction log')
      return files.fstat(fd)
    },
    stat(path) {
      stat(path)
      return files.stat(path)
    },
    lstat(path) {
      stat(path)
      return files.lstat(path)
    },
    exists(path) {
      stat(path)
      return files.exists(path)
    },
    rename(from, to) {
      note(renameName(kindOf(from), kindOf(to)))
      files.rename(from, to)
    },
    link(existing, name) {
      note(linkNames[kindOf(name)])
      files.link(existing, name)
    },
    unlink(path) {
      note(unlinkNames[kindOf(path)])
      files.unlink(path)
    },
    mkdir(path, mode) {
      if (kindOf(path) === 'page directory') note('make page directory')
      files.mkdir(path, mode)
    },
    names(directory) {
      const kind = kindOf(directory)
      note(kind === 'leases' ? 'list leases' : kind === 'compacting' ? 'list compacting' : undefined)
      return files.names(directory)
    },
    list(directory) {
      if (kindOf(directory) === 'page directory') note('list page directory')
      return files.list(directory)
    },
    text(path) {
      if (kindOf(path) === 'record') note('read record')
      return files.text(path)
    },
  }
  return {
    files: recorded,
    take() {
      const taken = steps
      steps = []
      return taken
    },
  }
}

type Names = Partial<Record<Kind, StepName>>

const openNames: Names = {
  token: 'open token',
  'eviction log': 'open eviction log',
  bucket: 'open bucket',
  part: 'read part',
  page: 'open page',
}
const writeNames: Names = { token: 'write token', 'eviction log': 'write eviction log', bucket: 'write bucket' }
const readNames: Names = { 'eviction log': 'read eviction log', bucket: 'read bucket' }
const linkNames: Names = { lock: 'link lock to token', 'eviction log': 'link eviction log' }
const statNames: Names = {
  token: 'stat token',
  lock: 'stat lock',
  'eviction log': 'stat eviction log',
  bucket: 'stat bucket',
  page: 'stat page',
  'page directory': 'stat page directory',
  record: 'stat record',
  'records directory': 'stat records directory',
}
const unlinkNames: Names = {
  token: 'unlink token',
  lock: 'unlink lock',
  page: 'unlink page',
  record: 'unlink record',
  part: 'unlink part',
}

function renameName(from: Kind, to: Kind): StepName | undefined {
  if (from === 'token') return 'rename token to page'
  if (to === 'record') return 'rename draft to record'
  if (from === 'eviction log') return 'rename eviction log away'
  if (to === 'part') return from === 'bucket' ? 'rename bucket to part' : 'rename part to part'
  if (to !== 'trash') return undefined
  return from === 'records directory' ? 'rename records to trash' : 'rename page directory to trash'
}

function kindOfPath(path: string, layout: Layout, key: string): Kind {
  const { root } = layout
  if (!path.startsWith(`${root}/`)) return 'other'
  const [home, room = '', ...rest] = path.slice(root.length + 1).split('/')
  if (home !== '.pagekeep') {
    return path === layout.page(key) ? 'page' : path === dirname(layout.page(key)) ? 'page directory' : 'other'
  }
  const isInside = rest.length > 0
  if (room === 'evictlog') return 'eviction log'
  if (room === basename(layout.leases)) return !isInside ? 'leases' : rest[0]?.includes('~') ? 'token' : 'lock'
  if (room === 'tags') return isInside && !rest[0]?.startsWith('.') ? 'bucket' : 'other'
  if (room === 'compacting') return isInside ? 'part' : 'compacting'
  if (room === 'meta') {
    const name = rest.at(-1) ?? ''
    return name === `.${basename(key)}` ? 'record' : name.startsWith('.') ? 'other' : 'records directory'
  }
  return room === 'trash' ? 'trash' : 'other'
}
