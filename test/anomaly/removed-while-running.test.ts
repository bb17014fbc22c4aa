/**
 * The cache directory, or a part of its bookkeeping, removed by hand under running processes: pages are
 * served, no restart is needed, and no page is kept whose tags nobody knows any more.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createCache, isPagekeepError } from 'pagekeep'
import { DiskStore, systemFiles } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FaultyFiles } from './faulty-files.js'
import { type Key, keys, keysOf, Site } from './site.js'

const removable = {
  'the whole directory': '.',
  '.pagekeep': '.pagekeep',
  'leases/': '.pagekeep/leases',
  'tags/': '.pagekeep/tags',
  'compacting/': '.pagekeep/compacting',
  'meta/': '.pagekeep/meta',
  'trash/': '.pagekeep/trash',
  'temp/': '.pagekeep/temp',
  'state/': '.pagekeep/state',
  'the eviction log': '.pagekeep/evictlog',
}

let site: Site
beforeEach(() => {
  site = new Site(new FaultyFiles())
})
afterEach(() => site.remove())

const remove = (path: string) => rmSync(site.path(path), { recursive: true, force: true })
const furnish = async () => {
  await site.ask('top.html')
  for (const key of keys) await site.ask(key, site.other)
}

for (const [what, path] of Object.entries(removable)) {
  describe(`${what} removed by hand`, () => {
    it('while renders are in flight: they are answered, and nothing stale is kept', async () => {
      await furnish()
      await site.evict('**', keys)
      site.hold()
      const landed = [await site.begin('news/1.html'), await site.begin('news/feed.bin', site.other)]
      remove(path)
      await site.evict({ tag: 'news' }, keys.slice(1))
      site.release()
      await Promise.all(landed.map((land) => land()))
      site.audit('after the renders have ended')
      await site.expectHealed()
      await site.expectClean()
      expect(site.reports).toEqual([])
    })

    it('between a fill and the eviction of its tag: the page is evicted all the same', async () => {
      await furnish()
      remove(path)
      await site.evict({ tag: 'news' }, keys.slice(1))
      site.audit('after the eviction')
      await site.expectHealed()
      await site.expectClean()
      expect(site.reports).toEqual([])
    })

    it('and noticed by a fill with tags: what was kept before is evicted by its tag nevertheless', async () => {
      await furnish()
      await site.evict('news/1.html', ['news/1.html'])
      remove(path)
      await site.ask('news/1.html', site.other)
      await site.evict({ tag: 'news' }, keys.slice(1))
      site.audit('after the eviction')
      await site.expectHealed()
      expect(site.reports).toEqual([])
    })

    it('and noticed by an invalidator that writes its cursor: the cursor is written, nothing stale is kept', async () => {
      await furnish()
      remove(path)
      await site.cache.state.write('cursor', '1')
      expect(await site.cache.state.read('cursor')).toBe('1')
      await site.evict({ tag: 'news' }, keys.slice(1))
      site.audit('after the eviction')
      await site.expectHealed()
      expect(site.reports).toEqual([])
    })
  })
}

describe('the tags of pages, lost', () => {
  it('and pages filled by a process that has not noticed: evicted by the first eviction of any tag', async () => {
    await furnish()
    remove('.pagekeep/tags')
    mkdirSync(site.path('.pagekeep/tags'))
    await site.evict({ tag: 'news' }, keys.slice(1))
    expect(await keysOf(site.other)).toEqual([])
  })

  it('are noticed by the next process before it serves anything', async () => {
    await furnish()
    await Promise.all([site.cache.close(), site.other.close()])
    remove('.pagekeep/tags')
    const store = new DiskStore({ directory: site.directory })
    expect(store.get('news/1.html')).toBeUndefined()
    await store.close()
  })

  it('twin: a store that takes its logs for whole whatever happened leaves a stale page', async () => {
    await furnish()
    const marker = '.pagekeep/tags/.whole'
    const believing = createCache({
      store: new DiskStore({
        directory: site.directory,
        files: {
          ...systemFiles,
          lstat: (path) => systemFiles.lstat(path.endsWith(marker) ? site.path('.pagekeep') : path),
        },
      }),
    })
    remove('.pagekeep/tags')
    mkdirSync(site.path('.pagekeep/tags'))
    await site.evict({ tag: 'news' }, keys.slice(1), believing)
    expect(() => site.audit('twin')).toThrow(/is kept, and stale/)
    await believing.close()
  })

  it('with all of .pagekeep: a process that starts then refuses the directory, until one that was running has noticed', async () => {
    await furnish()
    remove('.pagekeep')
    const late = createCache({ store: new DiskStore({ directory: site.directory }) })
    late.on('error', (error) => site.report(error))
    await site.ask('news/1.html', late)
    expect(site.reports.every((error) => isPagekeepError(error, 'store-unusable'))).toBe(true)
    await site.evict({ tag: 'news' }, keys.slice(1), late)
    expect(site.reports.at(-1)?.code).toBe('evict-failed')
    site.reports.length = 0
    await site.ask('top.html')
    await site.evict({ tag: 'other' }, [])
    await site.expectHealed()
    await site.ask('news/1.html', late)
    expect(site.reports).toEqual([])
    await late.close()
  })

  it('take no dotfile with them', async () => {
    await furnish()
    writeFileSync(site.path('.htaccess'), 'root')
    writeFileSync(site.path('news/.htaccess'), 'news')
    remove('.pagekeep/tags')
    await site.evict({ tag: 'other' }, [])
    await site.cache.close()
    expect(await keysOf(site.other)).toEqual([])
    expect(readFileSync(site.path('.htaccess'), 'utf8')).toBe('root')
    expect(readFileSync(site.path('news/.htaccess'), 'utf8')).toBe('news')
  })

  it('at any moment of an eviction by tag that runs: nothing stale is kept', async () => {
    for (const path of ['.pagekeep/tags', '.pagekeep']) {
      for (let nth = 1, hasCome = true; hasCome; nth++) {
        const own = new Site(new FaultyFiles())
        let left = Number.POSITIVE_INFINITY
        const files = new Proxy(systemFiles, {
          get: (target, call: keyof typeof systemFiles) => {
            left--
            if (left === 0) rmSync(own.path(path), { recursive: true })
            return target[call]
          },
        })
        const cache = createCache({ store: new DiskStore({ directory: own.directory, files }) })
        for (const key of keys) await own.ask(key, cache)
        own.hold()
        const landed = await own.begin('news/other.html' as Key, own.other)
        left = nth
        await own.evict({ tag: 'news' }, keys.slice(1), cache)
        own.release()
        await landed()
        own.audit(`${path} removed before call ${nth}`)
        hasCome = left <= 0
        await cache.close()
        await own.remove()
      }
    }
  })
})

describe('a directory with files and no .pagekeep', () => {
  beforeEach(() => {
    mkdirSync(site.path('docs'), { recursive: true })
    writeFileSync(site.path('docs/index.html'), 'precious')
  })

  it('is refused, pages are rendered, and no file of it is touched', async () => {
    await site.ask('top.html')
    await expect(site.cache.evict('**')).rejects.toMatchObject({ code: 'evict-failed' })
    expect(site.reports.length).toBeGreaterThan(0)
    for (const error of site.reports) expect(isPagekeepError(error, 'store-unusable')).toBe(true)
    expect(site.reports[0]?.message).toMatch(/mayEmptyDirectory: true/)
    expect(readFileSync(site.path('docs/index.html'), 'utf8')).toBe('precious')
    expect(readdirSync(site.directory)).toEqual(['docs'])
    rmSync(site.path('docs'), { recursive: true })
    site.reports.length = 0
    await site.expectHealed()
  })

  it('is emptied with mayEmptyDirectory, but for dotfiles', async () => {
    writeFileSync(site.path('docs/.keep'), 'stays')
    const store = new DiskStore({ directory: site.directory, mayEmptyDirectory: true })
    expect(store.get('docs/index.html')).toBeUndefined()
    await store.close()
    expect(existsSync(site.path('docs/index.html'))).toBe(false)
    expect(readFileSync(site.path('docs/.keep'), 'utf8')).toBe('stays')
  })

  it('is used as it is when its directories were made in advance, with dotfiles in them', async () => {
    rmSync(site.path('docs/index.html'))
    writeFileSync(site.path('docs/.htaccess'), 'x')
    mkdirSync(site.path('news'))
    await site.ask('news/1.html')
    expect(await keysOf(site.other)).toEqual(['news/1.html'])
    await site.cache.evict(['docs/**', 'news/**'])
    expect(readdirSync(site.path('docs'))).toEqual(['.htaccess'])
    expect(site.reports).toEqual([])
  })

  it('is used as it is when it holds dotfiles only, and the lost+found of a new file system', async () => {
    rmSync(site.path('docs'), { recursive: true })
    mkdirSync(site.path('lost+found'))
    writeFileSync(site.path('.htaccess'), 'x')
    await site.ask('top.html')
    expect(await keysOf(site.other)).toEqual(['top.html'])
    expect(site.reports).toEqual([])
  })
})
