import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache } from 'pagekeep'
import { DiskStore, type JournalSource, keepJournal, measureUsage, usageOf } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Journal, readJournal } from '../../../src/stores/disk/journal.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pagekeep-journal-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const turn = () => new Promise((resolve) => setImmediate(resolve))
const eviction = {
  kind: 'evicted',
  why: 'call',
  rules: [],
  rows: [],
  selectors: ['a'],
  keys: ['a'],
  removed: 1,
  doomed: 0,
} as const

describe('keepJournal()', () => {
  it('notes evictions and dooms down, the latest first', async () => {
    const store = new DiskStore({ directory })
    const cache = createCache({ store })
    const journal = keepJournal({ store, cache })
    await cache.getOrRender('a.html', async () => {
      await cache.evict('a.html')
      await turn()
      return 'old'
    })
    await cache.getOrRender('a.html', () => 'new')
    await cache.evict('a.html')
    await turn()
    expect([...readJournal(directory)]).toMatchObject([
      { kind: 'evicted', why: 'call', selectors: ['a.html'], keys: ['a.html'], removed: 1, pid: process.pid },
      { kind: 'doomed', key: 'a.html' },
      { kind: 'evicted', why: 'call', selectors: ['a.html'], removed: 0, doomed: 1 },
    ])
    expect(journal.failures).toBe(0)
    journal.close()
    await cache.evict('a.html')
    await turn()
    expect([...readJournal(directory)], 'closed').toHaveLength(3)
    await cache.close()
  })

  it('can be written to by the group where pages can', async () => {
    const before = process.umask(0o077)
    try {
      const store = new DiskStore({ directory, fileMode: 0o664, directoryMode: 0o2775 })
      const cache = createCache({ store })
      const journal = keepJournal({ store, cache })
      await cache.getOrRender('a.html', () => 'a')
      await cache.evict('a.html')
      await turn()
      const modeOf = (name: string) => statSync(join(directory, '.pagekeep', name)).mode & 0o7777
      expect([modeOf('journal'), modeOf('journal/current')]).toEqual([0o2775, 0o664])
      journal.close()
      await cache.close()
    } finally {
      process.umask(before)
    }
  })

  it('notes an eviction of an invalidator once, with its reason', async () => {
    const store = new DiskStore({ directory })
    const cache = createCache({ store })
    const listeners: Parameters<JournalSource['on']>[1][] = []
    const source: JournalSource = {
      on: (_, listener) => {
        listeners.push(listener)
        return () => {}
      },
    }
    keepJournal({ store, cache, invalidator: source })
    const report = await cache.evict({ tag: 'port:1' })
    for (const listener of listeners) listener({ why: 'queue', rules: ['ports'], rows: ['ports#7 id=1'], report })
    await turn()
    expect([...readJournal(directory)]).toMatchObject([
      { why: 'queue', rules: ['ports'], rows: ['ports#7 id=1'], selectors: ['tag:port:1'] },
    ])
    await cache.close()
  })

  it('is never in the way: what cannot be written is counted', async () => {
    const store = new DiskStore({ directory })
    const cache = createCache({ store })
    await cache.evict('a')
    writeFileSync(join(directory, '.pagekeep/journal'), 'a file in its place')
    const journal = keepJournal({ store, cache })
    await cache.evict('a')
    await turn()
    expect(journal.failures).toBe(1)
    rmSync(join(directory, '.pagekeep/journal'))
    await cache.evict('a')
    await turn()
    expect([journal.failures, [...readJournal(directory)].length]).toEqual([1, 1])
    await cache.close()
  })
})

describe('Journal', () => {
  it('keeps to its bound, and forgets the oldest', async () => {
    await new DiskStore({ directory }).evict([])
    const journal = new Journal(directory, 64 * 1024)
    for (let at = 0; at < 2000; at++) journal.tell({ kind: 'doomed', key: `page-${at}`, renderMs: 1 })
    const home = join(directory, '.pagekeep/journal')
    const bytes = readdirSync(home).reduce((sum, name) => sum + statSync(join(home, name)).size, 0)
    expect(bytes).toBeLessThanOrEqual(64 * 1024 + 8192)
    const keys = [...readJournal(directory)].map((entry) => (entry.kind === 'doomed' ? entry.key : ''))
    expect(keys[0]).toBe('page-1999')
    expect(keys).toEqual(keys.map((_, at) => `page-${1999 - at}`))
    expect(keys.length).toBeGreaterThan(300)
  })

  it('shortens an eviction of many to a line, and says so', async () => {
    await new DiskStore({ directory }).evict([])
    const journal = new Journal(directory)
    const selectors = Array.from({ length: 5000 }, (_, at) => `pages/${at}.html`)
    journal.tell({ ...eviction, selectors, keys: selectors, removed: 5000 })
    const [entry] = readJournal(directory)
    expect(entry).toMatchObject({ isCut: true, removed: 5000 })
    expect(statSync(join(directory, '.pagekeep/journal/current')).size).toBeLessThan(8192)
  })

  it('passes over what is no entry, and makes nothing by reading', async () => {
    expect([...readJournal(directory)]).toEqual([])
    expect(existsSync(join(directory, '.pagekeep'))).toBe(false)
    await new DiskStore({ directory }).evict([])
    const journal = new Journal(directory)
    journal.tell(eviction)
    const file = join(directory, '.pagekeep/journal/current')
    writeFileSync(file, `{"torn":\n{"kind":"evicted","atMs":1}\n[]\n${readFileSync(file, 'utf8')}null\n`)
    expect([...readJournal(directory)]).toHaveLength(1)
  })
})

describe('measureUsage()', () => {
  it('counts pages and their bytes, and not the bookkeeping', async () => {
    const store = new DiskStore({ directory })
    const cache = createCache({ store })
    for (let at = 0; at < 100; at++) await cache.getOrRender(`a/${at % 7}/${at}.html`, () => 'x'.repeat(at))
    expect(await measureUsage(directory)).toMatchObject({ pages: 100, bytes: 4950 })
    await cache.close()
  })

  it('of nothing is nothing; aborted, what it found', async () => {
    expect(await measureUsage(join(directory, 'missing'))).toMatchObject({ pages: 0, bytes: 0 })
    writeFileSync(join(directory, 'a'), 'a')
    expect(await measureUsage(directory, { signal: AbortSignal.abort() })).toMatchObject({ pages: 0 })
  })

  it('usageOf() answers with the last measure until it is too old', async () => {
    writeFileSync(join(directory, 'a'), 'a')
    const lasting = usageOf({ directory })
    const fleeting = usageOf({ directory }, { maxAgeMs: -1 })
    expect([await lasting(), await fleeting()]).toMatchObject([{ pages: 1 }, { pages: 1 }])
    writeFileSync(join(directory, 'b'), 'b')
    expect((await lasting()).pages).toBe(1)
    while ((await fleeting()).pages !== 2) await turn()
  })
})
