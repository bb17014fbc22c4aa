/** Two processes that begin a journal at the same moment: neither may lose what it had to tell. */
import { mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Journal, readJournal } from '../../../src/stores/disk/journal.js'

/** What another process does just before this one makes a directory. */
const before = vi.hoisted(() => ({ mkdir: (_path: string) => {} }))
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const mkdirSync = (path: string) => {
    before.mkdir(path)
    return fs.mkdirSync(path)
  }
  return { ...fs, mkdirSync }
})

it('tell() goes on where another process has just made the directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-journal-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, '.pagekeep'))
  const [journal, other] = [new Journal(directory), new Journal(directory)]
  before.mkdir = () => {
    before.mkdir = () => {}
    other.tell({ kind: 'doomed', key: 'other.html', renderMs: 1 })
  }
  journal.tell({ kind: 'doomed', key: 'this.html', renderMs: 1 })
  expect([...readJournal(directory)]).toMatchObject([{ key: 'this.html' }, { key: 'other.html' }])
  expect([journal.failures, other.failures]).toEqual([0, 0])
})
