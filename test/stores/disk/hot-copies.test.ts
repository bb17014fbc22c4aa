/** Pages answered from memory, and everything that must end that at once. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { coarse, heat, hotDisk, longMs } from './hot-disk.js'
import type { Order, Word } from './site-process.js'
import { begin, evict, keep, page, Stage } from './stage.js'

const stage = new Stage()

describe('get() of a page that was read before', () => {
  it('opens no file when the page was read twice, a tick apart', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a/b.html', 'Wört')
    expect(store.get('a/b.html')?.body).toBe('Wört')
    disk.nowMs += longMs
    expect(store.get('a/b.html')?.body).toBe('Wört')
    const { opened } = disk
    for (let hit = 0; hit < 10; hit++) expect(store.get('a/b.html')?.body).toBe('Wört')
    expect(disk.opened).toBe(opened)
  })

  it('answers with all that its record says: bytes, expiry, metadata', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    const more = { renderBeganAtMs: 1, expiresAtMs: 2, renderMs: 3, metadata: 'status: 404' }
    begin(store, 'a.png').publish(page(Uint8Array.of(1, 255), [], more))
    const cold = store.get('a.png')
    expect(cold).toEqual({ body: Buffer.of(1, 255), ...more })
    expect(heat(store, disk, 'a.png')).toEqual(cold)
  })

  it('opens the file each time with hotBytes 0', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files, hotBytes: 0 })
    keep(store, 'a.html')
    expect(() => heat(store, disk, 'a.html')).toThrow('does not get hot')
  })

  it('throws when the store is closed', async () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html')
    heat(store, disk, 'a.html')
    await store.close()
    expect(() => store.get('a.html')).toThrow('closed')
  })

  it('takes no key that is not one', () => {
    const store = stage.open()
    expect(() => store.get('../a.html')).toThrow('cannot be used')
  })
})

describe('a hot page is gone at once when', () => {
  const selectors = { 'its key': 'a/b.html', 'its directory': 'a/**', everything: '**', 'a pattern': 'a/*.html' }
  for (const [name, selector] of Object.entries({ ...selectors, 'its tag': { tag: 't' } })) {
    it(`${name} is evicted, here or by another store`, async () => {
      const disk = hotDisk()
      const store = stage.open({ files: disk.files })
      for (const evictor of [store, stage.open()]) {
        keep(store, 'a/b.html', 'old', ['t'])
        heat(store, disk, 'a/b.html')
        await evict(evictor, selector)
        expect(store.get('a/b.html')).toBeUndefined()
      }
    })
  }

  it.each(['a/b.html', 'a', ''])('"%s" is removed by hand', (path) => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a/b.html')
    heat(store, disk, 'a/b.html')
    rmSync(stage.path(path), { recursive: true })
    expect(store.get('a/b.html')).toBeUndefined()
  })

  it('a directory lies in its place', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html')
    heat(store, disk, 'a.html')
    renameSync(stage.path('a.html'), stage.path('b.html'))
    renameSync(stage.path('.pagekeep/temp'), stage.path('a.html'))
    expect(store.get('a.html')).toBeUndefined()
  })

  it('another store keeps one of the same size, in each way a page can be kept', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    const other = stage.open()
    const pages = [page('one'), page('two', [], { metadata: 'm' }), page(Buffer.from('six')), page('ten')]
    for (const next of [...pages, ...pages]) {
      expect(begin(other, 'a.html').publish(next)).toBe('kept')
      expect(store.get('a.html')).toMatchObject({ body: next.body })
      expect(heat(store, disk, 'a.html').metadata).toBe(next.metadata)
    }
  })
})

describe('a change that leaves the size, the mtime and the inode as they were', () => {
  const rewrite = (disk = hotDisk()) => {
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html', 'one')
    const { atime, mtime } = statSync(stage.path('a.html'))
    utimesSync(stage.path('a.html'), atime, mtime)
    heat(store, disk, 'a.html')
    writeFileSync(stage.path('a.html'), 'two')
    utimesSync(stage.path('a.html'), atime, mtime)
    return store.get('a.html')?.body
  }

  it('is seen by its ctime', () => {
    expect(rewrite()).toBe('two')
  })

  it('twin: without the ctime the old page is served', () => {
    expect(rewrite(hotDisk((stats) => Object.assign(stats, { ctimeNs: 1n })))).toBe('one')
  })
})

describe('a page that takes the place and the inode of another within one tick of the clock', () => {
  const replace = (readsApartMs: number) => {
    const clock = coarse()
    const disk = hotDisk(clock.seen)
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html', 'one')
    store.get('a.html')
    disk.nowMs += readsApartMs
    store.get('a.html')
    keep(store, 'a.html', 'two')
    return { body: store.get('a.html')?.body, store, disk, clock }
  }

  it('is served, since no copy was taken within a tick of the change of its file', () => {
    const { body, store, disk, clock } = replace(19)
    expect(body).toBe('two')
    disk.nowMs += longMs
    expect(store.get('a.html')?.body).toBe('two')
    clock.tick()
    keep(store, 'a.html', 'six')
    expect(store.get('a.html')?.body).toBe('six')
  })

  it('twin: a copy taken though the tick of the file system has not ended is stale', () => {
    // The clock of the process claims that the tick is over.
    expect(replace(21).body).toBe('one')
  })

  it('is served where times are whole seconds, for which a tick is longer', () => {
    const seconds = hotDisk((stats) => Object.assign(stats, { ino: 7n, mtimeNs: 0n, ctimeNs: 1_000_000_000n }))
    const store = stage.open({ files: seconds.files })
    keep(store, 'a.html', 'one')
    for (const laterMs of [0, 100, 1900]) {
      seconds.nowMs += laterMs
      store.get('a.html')
    }
    keep(store, 'a.html', 'two')
    expect(store.get('a.html')?.body).toBe('two')
  })
})

describe('a hot page', () => {
  let child: ChildProcess | undefined
  afterEach(() => child?.kill('SIGKILL'))

  it('is gone at once when another process evicts it', async () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html')
    child = fork(fileURLToPath(new URL('site-process.ts', import.meta.url)), [stage.directory], {
      execArgv: ['--import', 'tsx'],
    })
    await once(child, 'message')
    for (const body of ['first', 'second']) {
      keep(store, 'a.html', body)
      expect(heat(store, disk, 'a.html').body).toBe(body)
      child.send({ id: 1, act: 'evict', selector: 'a.html' } satisfies Order)
      const [word] = (await once(child, 'message')) as [Word]
      expect(word.kind).toBe('done')
      expect(store.get('a.html')).toBeUndefined()
    }
  })
})
