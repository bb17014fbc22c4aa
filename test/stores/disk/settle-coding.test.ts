/**
 * The coding belongs to the directory: whoever takes it for another is told, or goes by it, and no eviction is lost on
 * the way. The protection is the name of the place for leases; the twins do without it.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createCache, type PagekeepError } from 'pagekeep'
import type { ContentCoding, DiskStore, Files } from 'pagekeep/stores/disk'
import { systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { inspectDirectory, layoutOf } from '../../../src/stores/disk/inspect.js'
import { eachMoment } from './preempt.js'
import { begin, evict, keep, keysOf, page, Stage } from './stage.js'

const stage = new Stage()
const codings: readonly ContentCoding[] = ['identity', 'gzip', 'br']
const places: Readonly<Record<ContentCoding, string>> = {
  identity: '.pagekeep/leases',
  gzip: '.pagekeep/leases.gz',
  br: '.pagekeep/leases.br',
}
const files = () => readdirSync(stage.directory).filter((name) => !name.startsWith('.'))
const codingOf = () => layoutOf(stage.directory).coding
/** Whether the store works; else what it says. */
const saidBy = (store: DiskStore): string => {
  try {
    // It looks whether its place is there, as an eviction does.
    store.state.read('cursor')
    return 'works'
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'store-unusable', store: 'disk' })
    return (thrown as PagekeepError).message
  }
}

describe('a store that is told no coding', () => {
  it('makes a directory of plain pages', async () => {
    keep(stage.open(), 'a.html')
    expect(files()).toEqual(['a.html'])
    expect(codingOf()).toBe('identity')
  })

  it.each(codings)('goes by the directory: %s', async (coding) => {
    keep(stage.open({ coding }), 'a.html', 'kept')
    const store = stage.open()
    expect(store.get('a.html')?.body).toBe('kept')
    expect(await keysOf(store)).toEqual(['a.html'])
    expect((await evict(store, 'a.html')).keys).toEqual(['a.html'])
    keep(store, 'b.html', 'kept too')
    expect(stage.open({ coding }).get('b.html')?.body).toBe('kept too')
  })
})

describe('a store that is told another coding than the pages lie in', () => {
  for (const found of codings) {
    for (const wanted of codings.filter((coding) => coding !== found)) {
      it(`is refused, and touches nothing: ${wanted} where they lie in ${found}`, async () => {
        const store = stage.open({ coding: found })
        keep(store, 'a.html', 'kept')
        const before = files()
        const other = stage.open({ coding: wanted })
        expect(saidBy(other)).toMatch(
          new RegExp(`"${found}".*coding: '${wanted}'.*the same one, or none.*name another`),
        )
        await expect(evict(other, 'a.html')).rejects.toMatchObject({ code: 'store-unusable' })
        const cache = createCache({ store: other })
        const codes = new Set<string>()
        cache.on('error', ({ code }) => codes.add(code))
        expect(await cache.getOrRender('a.html', () => 'rendered')).toBe('rendered')
        expect([...codes]).toEqual(['store-unusable'])
        expect(files()).toEqual(before)
        expect(store.get('a.html')?.body).toBe('kept')
        expect(codingOf()).toBe(found)
      })

      it(`is given its own where there are no pages: ${wanted} instead of ${found}`, async () => {
        const earlier = stage.open()
        keep(stage.open({ coding: found }), 'a.html')
        earlier.get('a.html')
        await evict(earlier, '**')
        earlier.state.write('cursor', '7')
        const store = stage.open({ coding: wanted })
        keep(store, 'a.html', 'kept')
        expect(codingOf()).toBe(wanted)
        expect(readdirSync(stage.path('.pagekeep')).filter((name) => name.startsWith('leases'))).toHaveLength(1)
        expect(store.state.read('cursor')).toBe('7')
        expect(earlier.get('a.html')).toBeUndefined()
        expect((await evict(earlier, 'a.html')).keys).toEqual(['a.html'])
        expect(await keysOf(store)).toEqual([])
      })
    }
  }

  it('is refused where it has been at work already: two that disagree do not quarrel', async () => {
    const store = stage.open({ coding: 'gzip' })
    keep(store, 'a.html')
    rmSync(stage.directory, { recursive: true })
    const other = stage.open({ coding: 'br' })
    other.get('a.html')
    await expect(evict(store, 'a.html')).rejects.toThrow(/"br".*coding: 'gzip'/)
    expect(() => store.begin('a.html')).toThrow(/"br".*coding: 'gzip'/)
    expect(codingOf()).toBe('br')
    rmSync(stage.directory, { recursive: true })
    keep(store, 'a.html')
    expect(codingOf()).toBe('gzip')
  })
})

/** A process that has used the directory while its pages were plain, and has not looked since. */
function plainBefore(seam: Partial<Files> = {}): DiskStore & { get(key: string): unknown } {
  const store = stage.open({ files: { ...systemFiles, ...seam } })
  keep(store, 'first.html')
  return store
}

const changes: Readonly<Record<string, () => void>> = {
  'removed, and made anew by another process': () => rmSync(stage.directory, { recursive: true }),
  'moved away, and made anew by another process': () => renameSync(stage.directory, `${stage.directory}-old`),
  'emptied, and given a coding by another process': () => rmSync(stage.path('first.html')),
}
for (const [what, change] of Object.entries(changes)) {
  describe(`a directory that was ${what}, under a process that runs`, () => {
    const changed = (seam?: Partial<Files>) => {
      const running = plainBefore(seam)
      change()
      const other = stage.open({ coding: 'gzip' })
      keep(other, 'a/page.html', 'old', ['tag'])
      return { running, other }
    }

    it.each(['a/page.html', 'a/*', 'a/**', '**', { tag: 'tag' }])(
      'loses no eviction by that process: %o',
      async (selector) => {
        const { running, other } = changed()
        expect(await evict(running, selector)).toMatchObject({ removed: 1, keys: ['a/page.html'], failures: [] })
        expect(other.get('a/page.html')).toBeUndefined()
        expect(existsSync(stage.path('a/page.html.gz'))).toBe(false)
      },
    )

    it('is served and filled by it as by the other', async () => {
      const { running, other } = changed()
      keep(running, 'b.html', 'by the one')
      expect(other.get('b.html')?.body).toBe('by the one')
      expect(running.get('a/page.html')).toMatchObject({ body: 'old' })
      expect(await keysOf(running)).toEqual(['a/page.html', 'b.html'])
      expect(files()).toEqual(['a', 'b.html.gz'])
    })

    it('keeps no page whose render began before', async () => {
      const running = plainBefore()
      const fill = begin(running, 'a/page.html')
      change()
      stage.open({ coding: 'gzip' }).get('a/page.html')
      expect(await fill.publish(page('old'))).toBe('doomed')
      expect(files().filter((name) => !name.endsWith('.gz'))).toEqual([])
    })

    it('twin: loses it where that process does not see that its place is gone', async () => {
      const { running, other } = changed({
        lstat: (path) => systemFiles.lstat(path.endsWith('/leases') ? stage.path('.pagekeep') : path),
      })
      expect(await evict(running, 'a/page.html')).toMatchObject({ removed: 0, failures: [] })
      expect(other.get('a/page.html')?.body).toBe('old')
    })
  })
}

describe('two processes that use a directory for the first time', () => {
  for (const [one, other] of [
    ['gzip', undefined],
    [undefined, 'gzip'],
    ['gzip', 'gzip'],
    ['gzip', 'br'],
    ['identity', 'br'],
  ] as const) {
    it(`agree, or one is refused, whenever the other comes: ${one ?? 'none'}, and at each of its calls ${other ?? 'none'}`, async () => {
      let moments = 0
      await eachMoment(async (nth, moment) => {
        const directory = stage.path(`at-${nth}`)
        const open = (coding: ContentCoding | undefined, seam: Files = systemFiles) =>
          stage.open({ directory, files: seam, ...(coding !== undefined && { coding }) })
        const first = open(one, moment.files)
        const second = open(other)
        moment.preempt(nth, () => {
          if (saidBy(second) === 'works') keep(second, 'a/page.html', 'old')
        })
        const saidFirst = saidBy(first)
        moment.disarm()
        moments++
        const { codings: said } = inspectDirectory(directory)
        expect(said, `call ${nth}`).toHaveLength(1)
        // Whoever is told none works in any case; who is told one, unless the other's pages lie there in another.
        if (one === undefined || one === said[0]) expect(saidFirst, `call ${nth}`).toBe('works')
        if (other === undefined || other === said[0]) expect(saidBy(second), `call ${nth}`).toBe('works')
        for (const [store, coding] of [
          [first, one],
          [second, other],
        ] as const) {
          if (saidBy(store) !== 'works') continue
          expect(coding ?? said[0]).toBe(said[0])
          expect((await evict(store, 'a/page.html')).failures).toEqual([])
          expect(readdirSync(directory).flatMap((name) => (name === 'a' ? readdirSync(`${directory}/a`) : []))).toEqual(
            [],
          )
          keep(store, 'a/page.html', 'old')
        }
        return false
      })
      expect(moments).toBeGreaterThan(20)
    })
  }

  it('change the coding of one without pages, whatever a third that runs does at each of their calls', async () => {
    const acts = {
      keeps: (running: DiskStore) => keep(running, 'a/page.html', 'old'),
      evicts: (running: DiskStore) => void evict(running, 'a/page.html'),
      reads: (running: DiskStore) => void running.get('a/page.html'),
    }
    for (const [what, act] of Object.entries(acts)) {
      await eachMoment(async (nth, moment) => {
        const directory = stage.path(`${what}-${nth}`)
        const running = stage.open({ directory })
        running.get('a/page.html')
        const fill = begin(running, 'b/page.html')
        const store = stage.open({ directory, coding: 'gzip', files: moment.files })
        moment.preempt(nth, () => act(running))
        const said = saidBy(store)
        moment.disarm()
        // A page that came before the look for pages is a reason to refuse.
        if (said !== 'works') {
          expect(what).toBe('keeps')
          expect(layoutOf(directory).coding).toBe('identity')
          return false
        }
        expect(fill.publish(page('old')), `${what}, call ${nth}`).toBe('doomed')
        const below = () => (existsSync(`${directory}/a`) ? readdirSync(`${directory}/a`) : [])
        expect(below().filter((name) => !name.endsWith('.gz'))).toEqual([])
        keep(store, 'a/page.html', 'old')
        expect((await evict(running, 'a/page.html')).keys).toEqual(['a/page.html'])
        expect(below()).toEqual([])
        return false
      })
    }
  })

  it('are killed at any call of a change: whoever comes next finds one coding, and no page of before', async () => {
    await eachMoment(async (nth, moment) => {
      const directory = stage.path(`at-${nth}`)
      stage.open({ directory }).get('a.html')
      const killed = stage.open({ directory, coding: 'gzip', files: moment.files })
      moment.kill(nth)
      try {
        killed.get('a.html')
      } catch {
        // It is dead.
      }
      moment.disarm()
      expect(inspectDirectory(directory).codings).toHaveLength(1)
      const next = stage.open({ directory })
      keep(next, 'a.html')
      expect(await keysOf(next)).toEqual(['a.html'])
      return false
    })
  })
})

describe('what says the coding, removed by hand', () => {
  const remove = (...paths: string[]) => {
    for (const path of paths) rmSync(stage.path(path), { recursive: true, force: true })
  }

  it('the place for leases: the mark of whole tags tells, and the pages stay', async () => {
    const store = stage.open({ coding: 'gzip' })
    keep(store, 'a.html', 'kept', ['tag'])
    remove('.pagekeep/leases.gz')
    const other = stage.open()
    expect(other.get('a.html')?.body).toBe('kept')
    expect((await evict(other, { tag: 'tag' })).keys).toEqual(['a.html'])
    expect(saidBy(stage.open({ coding: 'br' }))).toBe('works')
  })

  const pages = () => files().flatMap((name) => readdirSync(stage.path(name)))

  it.each(['tags', 'tags/.whole.gz'])(
    'with the mark, %s: all pages are forgotten, in whatever coding they lie',
    async (mark) => {
      const store = stage.open({ coding: 'gzip' })
      keep(store, 'a/page.html', 'old')
      remove('.pagekeep/leases.gz', `.pagekeep/${mark}`)
      // Who is told none and comes first knows no better than plain pages; the other one is told.
      stage.open().get('a/page.html')
      expect(pages()).toEqual([])
      expect(codingOf()).toBe('identity')
      await expect(evict(store, 'a/page.html')).rejects.toThrow(/"identity".*coding: 'gzip'/)
    },
  )

  it('with the mark, and noticed by a process that knows it: the coding stays', async () => {
    const store = stage.open({ coding: 'gzip' })
    keep(store, 'a/page.html', 'old')
    const other = stage.open()
    expect(other.get('a/page.html')?.body).toBe('old')
    remove('.pagekeep/leases.gz', '.pagekeep/tags')
    expect((await evict(other, 'none.html')).failures).toEqual([])
    expect(pages()).toEqual([])
    keep(store, 'a/page.html', 'new')
    expect(other.get('a/page.html')?.body).toBe('new')
    expect(codingOf()).toBe('gzip')
  })

  it('the place, where several marks are left: all pages are forgotten', () => {
    keep(stage.open({ coding: 'gzip' }), 'a.html', 'old')
    writeFileSync(stage.path('.pagekeep/tags/.whole'), '')
    remove('.pagekeep/leases.gz')
    const store = stage.open()
    expect(store.get('a.html')).toBeUndefined()
    expect(files()).toEqual([])
    expect(readdirSync(stage.path('.pagekeep/tags')).filter((name) => name.startsWith('.whole'))).toHaveLength(1)
  })

  it('all of .pagekeep: the directory is refused, and emptied with mayEmptyDirectory', () => {
    keep(stage.open({ coding: 'gzip' }), 'a.html', 'old')
    remove('.pagekeep')
    for (const coding of codings) expect(saidBy(stage.open({ coding }))).toContain('mayEmptyDirectory')
    expect(files()).toEqual(['a.html.gz'])
    const store = stage.open({ coding: 'br', mayEmptyDirectory: true })
    expect(store.get('a.html')).toBeUndefined()
    expect(files()).toEqual([])
  })

  it('a second place, made by hand: the directory is refused until it is gone', async () => {
    const store = stage.open({ coding: 'gzip' })
    keep(store, 'a.html')
    mkdirSync(stage.path(places.br))
    for (const coding of [undefined, 'gzip', 'br'] as const) {
      const said = saidBy(stage.open(coding === undefined ? {} : { coding }))
      expect(said).toMatch(/"gzip" and "br".*remove the directory/)
    }
    remove(places.br)
    expect(stage.open().get('a.html')?.body).toBe('a.html')
  })
})
