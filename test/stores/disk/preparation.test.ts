/** Directories that cannot be used, keys that cannot live together, and options that make no sense. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createCache, type PagekeepError, route } from 'pagekeep'
import { DiskStore, type DiskStoreOptions, type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { begin, evict, failing, keep, page, Stage, systemError } from './stage.js'

const stage = new Stage()

function errorOf(work: () => unknown): Pick<PagekeepError, 'code' | 'message' | 'store' | 'key'> {
  try {
    work()
  } catch (thrown) {
    const { code, message, store, key } = thrown as PagekeepError
    return { code, message, store, key }
  }
  throw new Error('expected an error')
}

/** The page is rendered and served, whatever the store says, and the fault is an event. */
async function expectServed(store: DiskStore, code: string): Promise<void> {
  const cache = createCache({ store })
  const codes = new Set<string>()
  cache.on('error', (error) => codes.add(error.code))
  expect(await cache.getOrRender('a.html', () => 'rendered')).toBe('rendered')
  expect([...codes]).toEqual([code])
}

describe('a cache directory', () => {
  it('that is a file: the error says which, and what to do; pages are rendered; it heals', async () => {
    writeFileSync(stage.directory, 'a file')
    const store = stage.open()
    const { code, message } = errorOf(() => store.begin('a.html'))
    expect(code).toBe('store-unusable')
    expect(message).toContain(stage.directory)
    expect(message).toMatch(/a file.*remove it, or name another directory/i)
    expect(errorOf(() => store.get('a.html')).code).toBe('store-unusable')
    await expect(evict(store, 'a.html')).rejects.toMatchObject({ code: 'store-unusable' })
    await expectServed(store, 'store-unusable')
    rmSync(stage.directory)
    keep(store, 'a.html')
  })

  it('below a file is unusable as well', () => {
    writeFileSync(stage.directory, 'a file')
    expect(errorOf(() => stage.open({ directory: stage.path('sub/dir') }).get('a')).code).toBe('store-unusable')
  })

  it('whose bookkeeping is a file is unusable as well', () => {
    mkdirSync(stage.directory)
    writeFileSync(stage.path('.pagekeep'), 'a file')
    expect(errorOf(() => stage.open().get('a')).code).toBe('store-unusable')
  })

  for (const [call, errno, advice] of [
    ['mkdir', 'EACCES', /read and write permission/],
    ['open', 'EROFS', /read-only: mount it writable/],
    ['rename', 'EXDEV', /one mount/],
    ['link', 'EPERM', /no hard links/],
  ] as const) {
    it(`where ${call} fails with ${errno} is unusable, and the error says what to do`, async () => {
      const store = stage.open({ files: failing(call, errno) })
      const { code, message, store: name } = errorOf(() => store.begin('a.html'))
      expect([code, name]).toEqual(['store-unusable', 'disk'])
      expect(message).toContain(stage.directory)
      expect(message).toMatch(advice)
      await expectServed(store, 'store-unusable')
    })
  }

  it('on another mount than the page: the page is served, the error says that each mount needs a store', async () => {
    const crossing: Files = {
      ...systemFiles,
      rename(from, to) {
        if (to.endsWith('.html')) throw systemError('EXDEV')
        systemFiles.rename(from, to)
      },
    }
    const store = stage.open({ files: crossing })
    const { code, message, key } = errorOf(() => begin(store, 'a.html').publish(page('x')))
    expect([code, key]).toEqual(['store-unusable', 'a.html'])
    expect(message).toMatch(/each mounted directory a DiskStore of its own/)
    expect(store.begin('a.html').kind).toBe('fill')
  })

  it('on a full disk: the page is served, nothing is left behind, and the next one may be kept', async () => {
    let isFull = false
    const files: Files = {
      ...systemFiles,
      write(fd, bytes) {
        if (isFull) throw systemError('ENOSPC')
        return systemFiles.write(fd, bytes)
      },
    }
    const store = stage.open({ files })
    keep(store, 'a.html', 'older')
    const fill = begin(store, 'a.html')
    isFull = true
    expect(errorOf(() => fill.publish(page('x')))).toMatchObject({ code: 'store-failed', key: 'a.html' })
    expect(store.get('a.html')?.body).toBe('older')
    isFull = false
    keep(store, 'a.html', 'newer')
  })

  it('that takes upper-case letters for lower-case ones refuses keys with upper case', () => {
    const blind: Files = { ...systemFiles, lstat: (path) => systemFiles.lstat(path.replace('.PAGEKEEP', '.pagekeep')) }
    const store = stage.open({ files: blind })
    keep(store, 'readme.html')
    const { code, message } = errorOf(() => store.begin('README.html'))
    expect(code).toBe('key-conflict')
    expect(message).toContain("{ letterCase: 'escape' }")
    expect(store.get('README.html')).toBeUndefined()
    keep(store, route('{name}.html', { letterCase: 'escape' }).key({ name: 'README' }))
  })
})

describe('keys that cannot live together', () => {
  it('a page "foo" is not kept while there are pages below "foo/"', () => {
    const store = stage.open()
    keep(store, 'foo/bar')
    const { code, message, key } = errorOf(() => begin(store, 'foo').publish(page('x')))
    expect([code, key]).toEqual(['key-conflict', 'foo'])
    expect(message).toMatch(/^"foo" cannot be kept, because there are pages below "foo\/"/)
    expect(store.get('foo/bar')?.body).toBe('foo/bar')
    expect(store.begin('foo').kind).toBe('fill')
  })

  it('a page below "foo/" is not kept while there is a page "foo"', () => {
    const store = stage.open()
    keep(store, 'foo')
    for (const key of ['foo/bar', 'foo/bar/deep']) {
      const { code, message } = errorOf(() => begin(store, key).publish(page('x')))
      expect(code).toBe('key-conflict')
      expect(message).toContain(`"${key}" cannot be kept, because there is a page at "foo"`)
    }
    expect(store.get('foo')?.body).toBe('foo')
  })

  it('empty directories in the place of a page are removed', async () => {
    const store = stage.open()
    keep(store, 'foo/bar/deep')
    await evict(store, 'foo/bar/deep')
    keep(store, 'foo')
    expect(store.get('foo')?.body).toBe('foo')
  })
})

describe('new DiskStore()', () => {
  it('checks its options, and touches no disk', () => {
    const wrong: [Partial<Record<keyof DiskStoreOptions, unknown>>, typeof TypeError | typeof RangeError][] = [
      [{ directory: undefined }, TypeError],
      [{ directory: '' }, TypeError],
      [{ directory: 'nul\u0000' }, TypeError],
      [{ fileMode: '644' }, TypeError],
      [{ fileMode: 0o755 }, RangeError],
      [{ fileMode: 0o444 }, RangeError],
      [{ fileMode: 0o1644 }, RangeError],
      [{ fileMode: 1.5 }, RangeError],
      [{ directoryMode: 0o600 }, RangeError],
      [{ onFault: 'console' }, TypeError],
    ]
    for (const [options, type] of wrong) {
      const make = () => new DiskStore({ directory: stage.directory, ...options } as DiskStoreOptions)
      expect(make, JSON.stringify(options)).toThrow(type)
    }
    expect(() => new DiskStore(undefined as unknown as DiskStoreOptions)).toThrow(TypeError)
  })

  it('close() may be called twice; afterwards get(), begin() and evict() throw closed', async () => {
    const store = stage.open()
    const fill = begin(store, 'a.html')
    await store.close()
    await store.close()
    expect(fill.publish(page('x'))).toBe('doomed')
    expect(errorOf(() => store.get('a.html')).code).toBe('closed')
    expect(errorOf(() => store.begin('a.html')).code).toBe('closed')
    await expect(evict(store, 'a.html')).rejects.toMatchObject({ code: 'closed' })
  })

  it('get() and begin() refuse a key that would leave the directory', () => {
    const store = stage.open()
    for (const key of ['../x', '/etc/passwd', 'a/../../x', '.pagekeep/evictlog', 'a//b']) {
      expect(errorOf(() => store.get(key)).code).toBe('key-invalid')
      expect(errorOf(() => store.begin(key)).code).toBe('key-invalid')
    }
  })
})
