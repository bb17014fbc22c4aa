/** Evictions of keys, subtrees and patterns, and what may go wrong under them. */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { isPagekeepError, type SelectorInput } from 'pagekeep'
import { describe, expect, it } from 'vitest'
import { blockFor, countTurns } from '../../support/event-loop.js'
import { begin, evict, failing, keep, keysOf, page, Stage, systemError, watched } from './stage.js'

const stage = new Stage()

/** A site of six pages, three dotfiles and a dot directory. */
function furnish() {
  const store = stage.open()
  for (const key of ['news/1.html', 'news/a/2.html', 'news/a/3.xml', 'ports/x/index.html', 'top.html', 'news.html']) {
    keep(store, key)
  }
  writeFileSync(stage.path('.htaccess'), 'root')
  writeFileSync(stage.path('news/.htaccess'), 'news')
  writeFileSync(stage.path('news/a/.keep'), 'deep')
  mkdirSync(stage.path('ports/.well-known'))
  writeFileSync(stage.path('ports/.well-known/x'), 'well')
  return store
}

function expectDotfiles() {
  const texts = ['.htaccess', 'news/.htaccess', 'news/a/.keep', 'ports/.well-known/x'].map((path) =>
    readFileSync(stage.path(path), 'utf8'),
  )
  expect(texts).toEqual(['root', 'news', 'deep', 'well'])
}

describe('evict() of a subtree', () => {
  it('clears a directory completely, leaves dotfiles alone, and touches nothing else', async () => {
    const store = furnish()
    const { removed, keys, failures } = await evict(store, 'news/**')
    expect({ removed, keys: [...keys].sort(), failures }).toEqual({
      removed: 3,
      keys: ['news/1.html', 'news/a/2.html', 'news/a/3.xml'],
      failures: [],
    })
    expectDotfiles()
    expect(await keysOf(store)).toEqual(['news.html', 'ports/x/index.html', 'top.html'])
  })

  it('of everything leaves dotfiles and the state of invalidators', async () => {
    const store = furnish()
    store.state.write('cursor', '10:20:')
    const { removed } = await evict(store, '**')
    expect(removed).toBe(6)
    expectDotfiles()
    expect(await keysOf(store)).toEqual([])
    expect(store.state.read('cursor')).toBe('10:20:')
  })

  it('is gone at once: one rename, then deleted in the background, which close() waits for', async () => {
    const store = furnish()
    const moments: boolean[] = []
    const files = watched((call) => {
      if (call === 'unlink') moments.push(existsSync(stage.path('news/1.html')))
    })
    const evictor = stage.open({ files })
    evictor.get('prepared')
    moments.length = 0
    await evict(evictor, 'news/**')
    expect(store.get('news/1.html')).toBeUndefined()
    await evictor.close()
    expect(moments).toEqual([false, false, false])
    expect(readdirSync(stage.path('.pagekeep/trash'))).toEqual([])
  })

  it('leaves a dotfile that was written meanwhile, and drops the older one', async () => {
    furnish()
    const files = watched((call, [path]) => {
      if (call !== 'lstat' || path !== stage.path('news/.htaccess')) return
      mkdirSync(stage.path('news'), { recursive: true })
      writeFileSync(stage.path('news/.htaccess'), 'newer')
    })
    const store = stage.open({ files })
    await evict(store, 'news/**')
    await store.close()
    expect(readFileSync(stage.path('news/.htaccess'), 'utf8')).toBe('newer')
    expect(readdirSync(stage.path('.pagekeep/trash'))).toEqual([])
  })

  it('keeps a dotfile that cannot be put back, says so, and a later process puts it back', async () => {
    furnish()
    const store = stage.open({ files: failing('rename', 'EIO', 'news/.htaccess') })
    const { removed, failures } = await evict(store, 'news/**')
    expect({ removed, failures }).toEqual({ removed: 3, failures: [] })
    await store.close()
    expect(stage.faults.map(({ message }) => message)).toEqual([expect.stringMatching(/put ".*news\/\.htaccess" back/)])
    const later = stage.open()
    later.get('first use')
    await later.close()
    expectDotfiles()
  })

  for (const errno of ['EXDEV', 'EBUSY', 'EPERM', 'EACCES', 'EINVAL']) {
    it(`walks and removes in place where the directory cannot be renamed (${errno})`, async () => {
      furnish()
      const store = stage.open({ files: failing('rename', errno, '/trash/') })
      const { removed, failures } = await evict(store, 'news/**')
      expect({ removed, failures }).toEqual({ removed: 3, failures: [] })
      expectDotfiles()
      expect(await keysOf(store)).toEqual(['news.html', 'ports/x/index.html', 'top.html'])
      expect((await evict(store, '**')).removed).toBe(3)
      expectDotfiles()
      expect(await keysOf(store)).toEqual([])
    })
  }

  it('whose name is too long for the trash is walked', async () => {
    const store = stage.open()
    const long = Array.from({ length: 5 }, (_, index) => `${index}${'x'.repeat(50)}`).join('/')
    keep(store, `${long}/page.html`)
    expect((await evict(store, `${long}/**`)).keys).toEqual([`${long}/page.html`])
    expect(await keysOf(store)).toEqual([])
  })

  it('of what does not exist, or is a page, is no failure', async () => {
    const store = furnish()
    const { removed, failures } = await evict(store, 'no/such/**', 'top.html/**', 'top.html/below/**', 'no/*/x.*')
    expect({ removed, failures }).toEqual({ removed: 0, failures: [] })
    expect(store.get('top.html')).toBeDefined()
  })

  it('names the first thousand of the removed pages, and counts them all', async () => {
    const store = stage.open()
    keep(store, 'many/0.html')
    for (let index = 1; index < 2500; index++) linkSync(stage.path('many/0.html'), stage.path(`many/${index}.html`))
    const { removed, keys } = await evict(store, 'many/**')
    expect([removed, keys.length]).toEqual([2500, 1000])
  })
})

describe('evict() of pages that take long to remove', () => {
  const selectors: [string, SelectorInput, string][] = [
    ['a tag', { tag: 'many' }, 'unlink'],
    ['a pattern', 'many/*.html', 'unlink'],
    ['a subtree that cannot be renamed away', 'many/**', 'unlink'],
    ['a subtree in the trash', 'many/**', 'list'],
  ]

  /** How often the event loop came round while twelve pages were evicted, three milliseconds each. */
  async function turnsDuring(selector: SelectorInput, call: string): Promise<number> {
    const furnishing = stage.open()
    for (let index = 0; index < 12; index++) keep(furnishing, `many/${index}/page.html`, 'page', ['many'])
    for (let index = 0; index < 12; index++) keep(furnishing, `many/${index}.html`, 'page', ['many'])
    const isSlow = (called: string, args: readonly unknown[]) => called === call && String(args[0]).includes('many')
    const files = watched((called, args) => {
      if (called === 'rename' && call === 'unlink' && String(args[1]).includes('/trash/')) throw systemError('EXDEV')
      if (isSlow(called, args)) blockFor(3)
    })
    const turns = countTurns()
    await evict(stage.open({ files }), selector)
    return turns.count()
  }

  it.each(selectors)('leaves the event loop its turns between the pages: %s', async (_, selector, call) => {
    stage.letPause()
    expect(await turnsDuring(selector, call)).toBeGreaterThan(8)
  })

  it.each(selectors)('would not if it did not look at the time (control): %s', async (_, selector, call) => {
    expect(await turnsDuring(selector, call)).toBe(0)
  })
})

describe('evict() of a key or pattern', () => {
  it('of a page that vanishes under the eviction is no failure, and is not counted', async () => {
    const files = watched((call, [path]) => {
      if (call === 'unlink' && String(path).endsWith('/b.html')) rmSync(String(path))
    })
    for (const selector of ['a/b.html', 'a/b.*']) {
      keep(stage.open(), 'a/b.html')
      const { removed, failures } = await evict(stage.open({ files }), selector)
      expect({ removed, failures }).toEqual({ removed: 0, failures: [] })
    }
  })

  it('of a page in whose place a directory comes under the eviction leaves the directory', async () => {
    const files = watched((call, [path]) => {
      if (call !== 'unlink' || !String(path).endsWith('/b.html')) return
      rmSync(String(path))
      mkdirSync(String(path))
    })
    keep(stage.open(), 'a/b.html')
    const { removed, failures } = await evict(stage.open({ files }), 'a/*')
    expect({ removed, failures }).toEqual({ removed: 0, failures: [] })
    expect(existsSync(stage.path('a/b.html'))).toBe(true)
  })

  it('in a directory that it may not look into is a failure, though nothing seems to be there', async () => {
    keep(stage.open(), 'a/b.html')
    const files = { ...failing('lstat', 'EACCES', '/a'), exists: () => false }
    const { failures } = await evict(stage.open({ files }), 'a/*')
    expect(failures.map(({ selector }) => selector.text)).toEqual(['a/*'])
  })

  it('of a directory that vanishes under the eviction is no failure', async () => {
    keep(stage.open(), 'a/b/c.html')
    const files = watched((call, [path]) => {
      if (call === 'list' && String(path).endsWith('/a/b')) rmSync(String(path), { recursive: true })
    })
    const { removed, failures } = await evict(stage.open({ files }), 'a/*/c.*')
    expect({ removed, failures }).toEqual({ removed: 0, failures: [] })
  })

  it('that cannot delete a file says which and why, and removes the rest', async () => {
    const store = stage.open({ files: failing('unlink', 'EACCES', 'stuck') })
    for (const key of ['a/1.html', 'a/stuck.html', 'a/z.html', 'b.html']) keep(stage.open(), key)
    for (const selectors of [['a/stuck.html', 'a/1.html', 'b.html'], ['a/*']]) {
      const { failures } = await evict(store, ...selectors)
      expect(failures.map(({ key }) => key)).toEqual(['a/stuck.html'])
      expect(failures[0]?.selector.text).toBe(selectors[0])
      expect(isPagekeepError(failures[0]?.cause, 'evict-failed')).toBe(true)
      expect(String(failures[0]?.cause)).toMatch(/"a\/stuck.html".*EACCES.*permission.*repeat/)
    }
    expect(await keysOf(store)).toEqual(['a/stuck.html'])
  })

  it('that meets a directory it may not look at goes on with the other selectors', async () => {
    for (const key of ['a/1.html', 'b/1.html', 'c/1.html']) keep(stage.open(), key)
    const { failures } = await evict(stage.open({ files: failing('lstat', 'EACCES', '/a') }), 'a/**', 'b/**', 'c/*')
    expect(failures.map(({ key }) => key)).toEqual(['a/**'])
    expect(await keysOf(stage.open())).toEqual(['a/1.html'])
  })

  it('that cannot remove a token is a failure, and still removes the pages', async () => {
    const filler = stage.open()
    keep(filler, 'a.html', 'older')
    const fill = begin(filler, 'a.html')
    const { failures } = await evict(stage.open({ files: failing('unlink', 'EACCES', 'a.html~') }), 'a.html')
    expect(failures.map(({ key }) => key)).toEqual(['a.html'])
    expect(filler.get('a.html')).toBeUndefined()
    fill.abandon()
  })

  it('that cannot list the leases is a failure of every selector, and still removes the pages', async () => {
    const filler = stage.open()
    keep(filler, 'a.html')
    const { failures } = await evict(stage.open({ files: failing('names', 'EMFILE', 'leases') }), 'a.html', 'b/**')
    expect(failures.map(({ selector }) => selector.text)).toEqual(['a.html', 'b/**'])
    expect(filler.get('a.html')).toBeUndefined()
  })

  it('of a directory that cannot be read is a failure', async () => {
    keep(stage.open(), 'a/b/c.html')
    const { failures } = await evict(stage.open({ files: failing('list', 'EACCES', '/a/b') }), 'a/*/c.html')
    expect(failures.map(({ key }) => key)).toEqual(['a/b'])
  })

  it('of a key where a directory lies leaves the directory', async () => {
    const store = stage.open()
    keep(store, 'foo/bar')
    const { removed, failures } = await evict(store, 'foo', 'foo/bar/deeper')
    expect({ removed, failures }).toEqual({ removed: 0, failures: [] })
    expect(store.get('foo/bar')).toBeDefined()
  })

  it('removes symbolic links that it meets, and nothing behind them', async () => {
    const store = furnish()
    const outside = stage.path('../outside')
    mkdirSync(outside)
    writeFileSync(`${outside}/index.html`, 'precious')
    const links = ['ports/link', 'ports/deep/link', 'ports/deep/index.html', 'rootlink']
    mkdirSync(stage.path('ports/deep'))
    for (const selectors of [['ports/**', 'rootlink/**'], ['ports/*/*.html', 'ports/*/*/*', '*'], ['**'], links]) {
      mkdirSync(stage.path('ports/deep'), { recursive: true })
      for (const link of links) {
        const target = link.endsWith('.html') ? `${outside}/index.html` : outside
        if (!existsSync(stage.path(link))) symlinkSync(target, stage.path(link))
      }
      expect((await evict(store, ...selectors)).failures).toEqual([])
      expect(links.filter((link) => existsSync(stage.path(link)))).toEqual([])
      expect(readFileSync(`${outside}/index.html`, 'utf8')).toBe('precious')
    }
  })

  it('counts the renders that it dooms, one listing for all selectors', async () => {
    const filler = stage.open()
    const fills = ['a.html', 'b/1.html', 'b/2.html', 'c.html'].map((key) => begin(filler, key))
    let listings = 0
    const files = watched((call, [path]) => {
      if (call === 'names' && String(path).endsWith('leases')) listings++
    })
    const evictor = stage.open({ files })
    await evict(evictor, 'none.html')
    listings = 0
    const { doomed } = await evict(evictor, 'a.html', 'b/*', 'none.html')
    expect({ doomed, listings }).toEqual({ doomed: 3, listings: 1 })
    expect(fills.map((fill) => fill.publish(page('x')))).toEqual(['doomed', 'doomed', 'doomed', 'kept'])
  })

  it('of a key too long for a file name dooms it by its hash; a pattern dooms all such keys', async () => {
    const store = stage.open()
    const key = Array.from({ length: 10 }, () => 'x'.repeat(50)).join('/')
    const hit = begin(store, key)
    const spared = begin(store, `y${key}`)
    await evict(store, key)
    expect(hit.publish(page('old'))).toBe('doomed')
    expect(spared.state()).toBe('current')
    await evict(store, 'other/**')
    expect(spared.publish(page('doomed without need'))).toBe('doomed')
  })

  it('confuses no key with another, whatever characters they have', async () => {
    const store = stage.open()
    const keys = ['a', 'a.lock', 'a~b', 'a%7eb', 'a/b', 'a%2fb', 'x~1.2.3', '%h0', 'ü', 'a.lock.lock']
    const fills = new Map(keys.filter((key) => key !== 'a').map((key) => [key, begin(store, key)]))
    for (const key of fills.keys()) {
      await evict(store, key)
      for (const [other, fill] of fills)
        expect([other, fill.state()]).toEqual([other, key === other ? 'doomed' : 'current'])
      fills.delete(key)
    }
  })
})

describe('many patterns in one directory', () => {
  it('are looked for with one listing of it, and each evicts what it matches', async () => {
    const listed: unknown[] = []
    const files = watched((call, [path]) => {
      if (call === 'list') listed.push(path)
    })
    const store = stage.open({ files })
    for (const key of ['d/1.a', 'd/1.b', 'd/2.a', 'd/3.a', 'd/e/1.a']) keep(store, key)
    listed.length = 0
    const patterns = Array.from({ length: 50 }, (_, at) => `d/${at === 0 ? 3 : 1}.*`)
    expect((await evict(store, ...patterns)).removed).toBe(3)
    expect(await keysOf(store)).toEqual(['d/2.a', 'd/e/1.a'])
    expect(listed.filter((path) => path === stage.path('d'))).toHaveLength(2)
  })
})
