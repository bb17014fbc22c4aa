/**
 * What others put into the cache directory: empty, truncated, unreadable and binary files, pipes, sockets,
 * links, names that are no names. Nothing of it is served as a page of ours, nothing stops the store, and
 * an eviction reaches what lies at the places of pages, and nothing outside the tree.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { createCache } from 'pagekeep'
import { DiskStore, type Files, systemFiles } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FaultyFiles } from './faulty-files.js'
import { keys, keysOf, Site } from './site.js'

let site: Site
beforeEach(async () => {
  site = new Site(new FaultyFiles())
  for (const key of keys) await site.ask(key)
})
afterEach(() => site.remove())

const outside = () => site.path('..', 'outside')
const fifo = (path: string) => execFileSync('mkfifo', [path])
/** A name that is not UTF-8, as bytes. */
const raw = (...path: string[]) => Buffer.concat([Buffer.from(`${site.path(...path)}/`), Buffer.from([0xff, 0x62])])

describe('in the place of a page', () => {
  for (const [what, put] of Object.entries({
    'an empty file': (path: string) => writeFileSync(path, ''),
    'a named pipe': fifo,
    'a symbolic link to a file outside': (path: string) => symlinkSync(outside(), path),
    'a symbolic link to nothing': (path: string) => symlinkSync('/nowhere/at/all', path),
    'an empty directory': (path: string) => mkdirSync(path),
    'a file that says it has a record, and has none': (path: string) => writeFileSync(path, 'x', { mode: 0o744 }),
  })) {
    it(`${what} is a miss; the page is kept in its place; an eviction removes it`, async () => {
      writeFileSync(outside(), 'secret')
      for (const key of ['top.html', 'news/1.html', 'news/feed.bin'] as const) {
        rmSync(site.path(key))
        put(site.path(key))
        expect(await site.cache.get(key)).toBeUndefined()
        await site.ask(key)
        expect(lstatSync(site.path(key)).isFile()).toBe(true)
        rmSync(site.path(key))
        put(site.path(key))
      }
      await site.evict(['top.html', 'news/**'], keys)
      for (const key of ['top.html', 'news/1.html']) {
        const stays = what === 'an empty directory' && key === 'top.html'
        expect(existsSync(site.path(key)), key).toBe(stays)
      }
      expect(readFileSync(outside(), 'utf8')).toBe('secret')
      expect(site.reports).toEqual([])
      await site.expectHealed()
    })
  }

  it('a socket is a miss, and an eviction of everything removes it', async () => {
    const server = createServer()
    rmSync(site.path('top.html'))
    await new Promise<void>((resolve) => server.listen(site.path('top.html'), resolve))
    const got = await site.cache.get('top.html')
    expect(got).toBeUndefined()
    await site.evict('**', keys)
    expect(existsSync(site.path('top.html'))).toBe(false)
    await new Promise((resolve) => server.close(resolve))
  })

  it('a page that was cut short by hand is served as the text it is; one with a record is a miss', async () => {
    for (const key of keys) truncateSync(site.path(key), 3)
    expect(await site.cache.get('top.html')).toBe('top')
    expect(await site.cache.get('news/feed.bin')).toBeUndefined()
    await site.evict('**', keys)
    await site.expectHealed()
  })

  it('an unreadable page is an error that says so, and the page is rendered and served', async () => {
    const files = {
      ...systemFiles,
      open(path: string, flags: number, mode?: number) {
        if (path.endsWith('/top.html')) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
        return systemFiles.open(path, flags, mode)
      },
    }
    const store = new DiskStore({ directory: site.directory, files })
    expect(() => store.get('top.html')).toThrow(expect.objectContaining({ code: 'store-unusable', key: 'top.html' }))
    await store.close()
  })

  it('a page where a directory is needed: the page below it is served and not kept, until it is evicted', async () => {
    await site.evict('news/**', keys.slice(1))
    rmSync(site.path('news'), { recursive: true, force: true })
    writeFileSync(site.path('news'), 'a page')
    await site.ask('news/1.html')
    expect(site.reports.map(({ code }) => code)).toEqual(['key-conflict'])
    site.reports.length = 0
    await site.expectHealed()
  })
})

describe('in the bookkeeping', () => {
  const garbage = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256))

  it('garbage in every file of it harms nobody', async () => {
    const files = execFileSync('find', [site.path('.pagekeep'), '-type', 'f'], { encoding: 'utf8' })
    for (const path of files.split('\n').filter(Boolean)) {
      // Whoever destroys registrations destroys what is known of pages; but the log of evictions may be anything.
      if (!path.includes('/tags/')) writeFileSync(path, garbage)
      else writeFileSync(path, garbage, { flag: 'a' })
    }
    expect(await site.cache.get('news/feed.bin')).toBeUndefined()
    await site.evict({ tag: 'news' }, keys.slice(1))
    site.audit('after garbage')
    // A process that begins now may take the garbage for a crash, and forget every page.
    await site.other.get('top.html')
    await site.expectHealed()
    expect(site.reports).toEqual([])
  })

  it('pipes, directories and foreign names in every room of it stop nothing', async () => {
    for (const room of ['leases', 'temp', 'compacting', 'trash', 'meta', 'meta/news', 'state', 'tags']) {
      fifo(site.path('.pagekeep', room, 'pipe'))
      mkdirSync(site.path('.pagekeep', room, 'directory.lock'), { recursive: true })
      writeFileSync(raw('.pagekeep', room), 'x')
    }
    fifo(site.path('.pagekeep/state/cursor'))
    expect(await site.cache.state.read('cursor')).toBe('')
    await site.cache.state.write('cursor', '1')
    expect(await site.cache.state.read('cursor')).toBe('1')
    await site.expectHealed()
    const late = new DiskStore({ directory: site.directory })
    expect(late.get('top.html')).toBeDefined()
    await late.close()
    await site.expectHealed()
    expect(site.reports).toEqual([])
  })

  it('a pipe or a link in the place of a log: the eviction is not taken for done, nothing outside is written', async () => {
    writeFileSync(outside(), 'secret')
    for (const put of [fifo, (path: string) => symlinkSync(outside(), path)]) {
      const logs = readdirSync(site.path('.pagekeep/tags')).filter((name) => !name.startsWith('.'))
      for (const log of logs) {
        rmSync(site.path('.pagekeep/tags', log))
        put(site.path('.pagekeep/tags', log))
      }
      await site.evict({ tag: 'news' }, keys.slice(1))
      expect(site.reports.map(({ code }) => code)).toEqual(['evict-failed'])
      expect(readFileSync(outside(), 'utf8')).toBe('secret')
      site.reports.length = 0
      // By hand, as whoever put them there would.
      rmSync(site.path('.pagekeep/tags'), { recursive: true })
      await site.expectHealed()
      for (const key of keys) await site.ask(key)
    }
  })

  it('a directory in the place of a record: the page with that record is a miss, and evicted', async () => {
    rmSync(site.path('.pagekeep/meta/news/.feed.bin'))
    mkdirSync(site.path('.pagekeep/meta/news/.feed.bin/x'), { recursive: true })
    expect(await site.cache.get('news/feed.bin')).toBeUndefined()
    await site.evict('news/feed.bin', ['news/feed.bin'])
    expect(existsSync(site.path('news/feed.bin'))).toBe(false)
    expect(site.reports).toEqual([])
    await site.evict('news/**', keys.slice(1))
    await site.expectHealed()
  })
})

describe('names that are not UTF-8', () => {
  it('are evicted with their directory, and deleted from the trash; dotfiles among them stay', async () => {
    mkdirSync(raw('news'))
    const inner = Buffer.concat([raw('news'), Buffer.from([0x2f, 0xfe])])
    const hidden = Buffer.concat([raw('news'), Buffer.from([0x2f, 0x2e, 0xfe])])
    writeFileSync(inner, 'x')
    writeFileSync(hidden, 'stays')
    await site.evict('news/**', keys.slice(1))
    await site.close()
    expect(readdirSync(site.path('.pagekeep/trash'))).toEqual([])
    expect(existsSync(inner)).toBe(false)
    expect(readFileSync(hidden, 'utf8')).toBe('stays')
    expect(site.reports).toEqual([])
  })

  it('are no keys, and are removed by patterns and by an eviction of everything', async () => {
    writeFileSync(raw(), 'x')
    writeFileSync(raw('news'), 'x')
    expect(await keysOf(site.cache)).toEqual([...keys].sort())
    await site.evict('news/*', keys.slice(1))
    expect(existsSync(raw('news'))).toBe(false)
    await site.evict('**', keys)
    expect(existsSync(raw())).toBe(false)
    await site.expectHealed()
    await site.expectClean()
  })
})

describe('beside the pages', () => {
  it('a huge tree in a dot directory is neither walked nor touched by evictions and listings', async () => {
    for (let index = 0; index < 200; index++) {
      mkdirSync(site.path('.git/objects', String(index)), { recursive: true })
      for (let file = 0; file < 10; file++) writeFileSync(site.path('.git/objects', String(index), `${file}`), 'x')
    }
    const walked: string[] = []
    const files: Files = {
      ...systemFiles,
      list(directory) {
        walked.push(directory)
        return systemFiles.list(directory)
      },
    }
    const store = new DiskStore({ directory: site.directory, files })
    for await (const key of store.keys()) expect(keys).toContain(key)
    await store.close()
    await site.evict(['**', 'news/*'], keys)
    expect(walked.filter((path) => path.includes('.git'))).toEqual([])
    expect(readdirSync(site.path('.git/objects')).length).toBe(200)
    await site.expectHealed()
  })

  it('the lost+found of a file system, which only root may read, does not make evictions of everything fail', async () => {
    mkdirSync(site.path('lost+found'))
    const refuse = (path: string) => {
      if (path.endsWith('/lost+found')) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    }
    const files: Files = {
      ...systemFiles,
      list(directory) {
        refuse(directory)
        return systemFiles.list(directory)
      },
      rename(from, to) {
        refuse(from)
        systemFiles.rename(from, to)
      },
    }
    const cache = createCache({ store: new DiskStore({ directory: site.directory, files }) })
    await site.evict('**', keys, cache)
    await cache.close()
    expect(site.reports).toEqual([])
    await site.expectHealed()
  })

  it('files with names that are no keys are never served nor listed, and go with their directory', async () => {
    for (const name of ['star*', 'back\\slash', 'new\nline', 'tab\t']) writeFileSync(site.path('news', name), 'x')
    expect(await keysOf(site.cache)).toEqual([...keys].sort())
    await site.evict('news/**', keys.slice(1))
    expect(existsSync(site.path('news/star*'))).toBe(false)
    await site.expectHealed()
  })

  it('a link to a directory outside is removed by an eviction, and what it leads to stays', async () => {
    mkdirSync(outside())
    writeFileSync(site.path('..', 'outside', 'a.html'), 'precious')
    symlinkSync(outside(), site.path('linked'))
    symlinkSync(outside(), site.path('news/linked'))
    expect(await keysOf(site.cache)).toEqual([...keys].sort())
    await site.evict('news/**', keys.slice(1))
    await site.evict('**', keys)
    expect(readFileSync(site.path('..', 'outside', 'a.html'), 'utf8')).toBe('precious')
    expect(existsSync(site.path('linked'))).toBe(false)
    await site.expectHealed()
  })
})
