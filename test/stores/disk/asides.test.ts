/** Evicted pages set aside: no protection of other pages is lost, and nothing torn, endless or unbounded is shown. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { parseSelector, type SelectorInput } from 'pagekeep'
import type { DiskStore, Files } from 'pagekeep/stores/disk'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { NewPage } from '../../../src/core/store.js'
import { Asides, maxAsides } from '../../../src/stores/disk/asides.js'
import { doom } from '../../../src/stores/disk/doom.js'
import { Layout } from '../../../src/stores/disk/layout.js'
import { stemOf } from '../../../src/stores/disk/lease-name.js'
import { Owner } from '../../../src/stores/disk/owner.js'
import { Tally } from '../../../src/stores/disk/tally.js'
import { eachMoment } from './preempt.js'
import { begin, evict, failing, page, Stage, systemError, watched } from './stage.js'

const stage = new Stage()
afterEach(() => vi.restoreAllMocks())

const hour = 3_600_000
const tagsOf = (key: string) => [`tag of ${key}`]
const kinds: Readonly<Record<string, (key: string) => SelectorInput>> = {
  key: (key) => key,
  subtree: (key) => `${key.split('/')[0]}/**`,
  everything: () => '**',
  pattern: (key) => `${key.split('/')[0]}/*`,
  tag: (key) => ({ tag: `tag of ${key}` }),
}

/** A page whose metadata says what its body is. */
const shown = (body: string, key = 'page', more: Partial<NewPage> = {}) =>
  page(body, tagsOf(key), { showEvictedMs: hour, metadata: `of ${body}`, ...more })

const keep = (store: DiskStore, key: string, body: string, more: Partial<NewPage> = {}) =>
  expect(begin(store, key).publish(shown(body, key, more))).toBe('kept')

const asides = () => readdirSync(stage.path('.pagekeep/asides')).sort()

function diskOn(files: Files) {
  const layout = new Layout(stage.directory)
  const fault = () => undefined
  return { files, layout, owner: new Owner(files), fileMode: 0o644, directoryMode: 0o755, fault }
}

/** Whether the page is still kept. What is aside goes, for the number of calls of an eviction depends on that. */
function isLeft(store: DiskStore, key: string): boolean {
  store.dropEvicted(key)
  return store.get(key) !== undefined || existsSync(stage.path(key))
}

/** What may be shown of `key`: `none`, a body, or what is wrong with it. */
function seen(store: DiskStore, key: string): string {
  const found = store.getEvicted(key)?.page
  if (found === undefined) return 'none'
  return found.metadata === `of ${found.body}`
    ? String(found.body)
    : `${found.body} with the metadata ${found.metadata}`
}

const room: { pages: number; bytes: number } = { ...maxAsides }

/** Evictions with less room than usual. */
async function withRoom<T>(less: Partial<typeof room>, work: () => Promise<T>): Promise<T> {
  Object.assign(maxAsides, less)
  return work().finally(() => Object.assign(maxAsides, room))
}
describe('a page that may be shown after its eviction', () => {
  /** The moments of an eviction at which a publish of such a page leaves it behind. */
  const publishDuring = (evictor: (files: Files) => (key: string) => unknown, isThere: boolean) => {
    const filler = stage.open()
    return eachMoment(async (nth, moment) => {
      const key = `d${nth}/page.html`
      if (isThere) keep(filler, key, 'older')
      const fill = begin(filler, key)
      const evicting = evictor(moment.files)
      moment.preempt(nth, () => void fill.publish(shown('old', key)))
      await evicting(key)
      if (!moment.hasCome) expect(fill.publish(shown('old', key))).toBe('doomed')
      return isLeft(filler, key)
    })
  }

  for (const [kind, selectorOf] of Object.entries(kinds)) {
    it(`is not kept by a publish at any system call of an eviction by ${kind}`, async () => {
      const real = (files: Files) => {
        const store = stage.open({ files })
        store.get('prepared')
        return (key: string) => evict(store, selectorOf(key))
      }
      expect(await publishDuring(real, false)).toEqual([])
      expect(await publishDuring(real, true)).toEqual([])
    })

    it(`is not kept when an eviction by ${kind} comes at any system call of its publish`, async () => {
      const evictor = stage.open()
      const left = await eachMoment(async (nth, moment) => {
        const key = `d${nth}/page.html`
        const fill = begin(stage.open({ files: moment.files }), key)
        let evicting: Promise<unknown> | undefined
        moment.preempt(nth, () => {
          evicting = evict(evictor, selectorOf(key))
        })
        fill.publish(shown('old', key))
        if (!moment.hasCome) evicting = evict(evictor, selectorOf(key))
        expect(await evicting).toMatchObject({ failures: [] })
        return isLeft(evictor, key)
      })
      expect(left).toEqual([])
    })
  }

  it('twin: an eviction that sets it aside before it dooms leaves a stale page', async () => {
    const asideFirst = (files: Files) => (key: string) => {
      const disk = diskOn(files)
      if (disk.files.lstat(disk.layout.page(key)) !== undefined) new Asides(disk).take(key, disk.layout.page(key))
      doom(disk, { keys: new Map([[key, parseSelector(key)]]), patterns: [], all: undefined }, new Tally())
    }
    expect(await publishDuring(asideFirst, true)).not.toEqual([])
  })

  it('leaves its place at the moment of the eviction, for web servers, hot copies and all processes', async () => {
    const [one, two] = [stage.open(), stage.open()]
    keep(one, 'page', 'old')
    for (const store of [one, two, one, two]) expect(store.get('page')?.body).toBe('old')
    expect(await evict(stage.open(), 'page')).toMatchObject({ removed: 1, keys: ['page'], failures: [] })
    expect(existsSync(stage.path('page'))).toBe(false)
    for (const store of [one, two]) expect([store.get('page'), seen(store, 'page')]).toEqual([undefined, 'old'])
  })
})

describe('an evicted page is shown', () => {
  it('whole, with its own metadata or not at all, at any system call of the next eviction of its key', async () => {
    for (const [kind, selectorOf] of Object.entries(kinds)) {
      const views = new Set<string>()
      const naive = new Set<boolean>()
      await eachMoment(async (nth, moment) => {
        const key = `d${nth}/page.html`
        const reader = stage.open()
        keep(reader, key, 'older')
        await evict(reader, key)
        keep(reader, key, 'newer')
        const evictor = stage.open({ files: moment.files })
        evictor.get('prepared')
        const place = stage.path('.pagekeep/asides', stemOf(key))
        moment.preempt(nth, () => {
          views.add(seen(reader, key))
          if (!existsSync(place) || !existsSync(`${place}~record`)) return
          naive.add(readFileSync(`${place}~record`, 'utf8').includes(`"of ${readFileSync(place, 'utf8')}"`))
        })
        await evict(evictor, selectorOf(key))
        expect(seen(reader, key)).toBe(kind === 'everything' ? 'none' : 'newer')
        return isLeft(reader, key)
      })
      views.delete('none')
      // After the last eviction nothing is left to be done, so the newer one is seen only by some.
      expect([...views, 'newer'].every((view) => view === 'older' || view === 'newer')).toBe(true)
      // Twin: one that does not ask whether the record is of this file gives one page the other's.
      if (kind !== 'everything') expect(naive.has(false)).toBe(true)
    }
  })

  it('whole or not at all after a crash at any system call of its eviction, which repeated is done', async () => {
    for (const selectorOf of Object.values(kinds)) {
      const views = new Set<string>()
      const wrong = await eachMoment(async (nth, moment) => {
        const key = `d${nth}/page.html`
        const survivor = stage.open()
        keep(survivor, key, 'older')
        await evict(survivor, key)
        keep(survivor, key, 'old')
        const dying = stage.open({ files: moment.files })
        dying.get('prepared')
        moment.kill(nth)
        await evict(dying, selectorOf(key)).catch(() => undefined)
        views.add(seen(survivor, key))
        const body = survivor.get(key)?.body
        const { failures } = await evict(stage.open(), selectorOf(key))
        views.add(seen(survivor, key))
        return isLeft(survivor, key) || failures.length > 0 || (body !== undefined && body !== 'old')
      })
      expect(wrong).toEqual([])
      for (const view of views) expect(['older', 'old', 'none']).toContain(view)
    }
  })

  it('or else removed, when any system call fails: an eviction that is not done says so', async () => {
    for (const selectorOf of Object.values(kinds)) {
      const believed = await eachMoment(async (nth, moment) => {
        const key = `d${nth}/page.html`
        const store = stage.open()
        keep(store, key, 'old')
        const suffering = stage.open({ files: moment.files })
        suffering.get('prepared')
        moment.preempt(nth, () => {
          throw systemError('EIO')
        })
        const isDone = await evict(suffering, selectorOf(key)).then(
          ({ failures }) => failures.length === 0,
          () => false,
        )
        return isLeft(store, key) && isDone
      })
      expect(believed).toEqual([])
    }
  })

  it.each([
    ['rename', 'ENOSPC', 'page.html~record'],
    ['rename', 'EIO', 'asides'],
    ['open', 'EMFILE', 'page.html'],
  ] as const)('not when %s fails with %s: then the page is removed, and the fault told', async (call, errno, where) => {
    keep(stage.open(), 'page.html', 'old')
    const store = stage.open({ files: failing(call, errno, where) })
    expect(await evict(store, 'page.html')).toMatchObject({ removed: 1, failures: [] })
    expect([existsSync(stage.path('page.html')), seen(stage.open(), 'page.html')]).toEqual([false, 'none'])
    expect(stage.faults[0]?.message).toContain('set "page.html" aside')
  })

  it('from a subtree, at any depth and with any length of key; dotfiles come back', async () => {
    const store = stage.open()
    const keys = ['s/a', 's/b/c.html', `s/${'long/'.repeat(60)}page`, 's/plain']
    for (const key of keys.slice(0, 3)) keep(store, key, `body of ${key}`)
    expect(begin(store, 's/plain').publish(page('plain'))).toBe('kept')
    writeFileSync(stage.path('s/.htaccess'), 'precious')
    expect(await evict(store, 's/**')).toMatchObject({ removed: 4, failures: [] })
    expect(keys.map((key) => seen(store, key))).toEqual([...keys.slice(0, 3).map((key) => `body of ${key}`), 'none'])
    expect(readFileSync(stage.path('s/.htaccess'), 'utf8')).toBe('precious')
    await store.close()
    expect(readdirSync(stage.path('.pagekeep/trash'))).toEqual([])
    expect(readdirSync(stage.path('.pagekeep/meta'))).toEqual([])
  })

  it('no longer than its time, and not when the clock was set back; then it is removed', async () => {
    const store = stage.open()
    const now = vi.spyOn(Date, 'now').mockReturnValue(1_000_000)
    for (const laterMs of [hour - 1, hour, -1]) {
      now.mockReturnValue(1_000_000)
      keep(store, 'page', 'old')
      await evict(store, 'page')
      now.mockReturnValue(1_000_000 + laterMs)
      expect(seen(store, 'page')).toBe(laterMs === hour - 1 ? 'old' : 'none')
      expect(asides()).toEqual(laterMs === hour - 1 ? ['page', 'page~record'] : [])
    }
  })

  it('and a later page that cannot be set aside takes it away: nobody is shown the older of two', async () => {
    keep(stage.open(), 'page', 'older')
    await evict(stage.open(), 'page')
    keep(stage.open(), 'page', 'newer')
    await withRoom({ pages: 0 }, () => evict(stage.open(), 'page'))
    expect(seen(stage.open(), 'page')).toBe('none')
  })
})

describe('what lies aside', () => {
  it('is bounded in number and bytes for each process that evicts; what is over is removed', async () => {
    const keys = ['1', '2', '3', '4', '5'].map((name) => `d/${name}`)
    for (const room of [{ pages: 3 }, { bytes: 3 * 5 + 1 }]) {
      const store = stage.open()
      for (const key of keys) keep(store, key, 'bytes')
      expect(await withRoom(room, () => evict(store, 'd/**'))).toMatchObject({ removed: 5, failures: [] })
      expect(asides()).toHaveLength(2 * 3)
      await evict(store, '**')
    }
  })

  it('is cleared of what is over, and of what crashes left, when a store is first used', async () => {
    const store = stage.open()
    const now = vi.spyOn(Date, 'now').mockReturnValue(1_000_000)
    for (const key of ['over', 'shown', 'torn']) keep(store, key, key, { showEvictedMs: key === 'over' ? 1 : hour })
    await evict(store, ...['over', 'shown', 'torn'])
    now.mockReturnValue(1_000_001)
    rmSync(stage.path('.pagekeep/asides/torn~record'))
    writeFileSync(stage.path('.pagekeep/asides/rest~record'), '{')
    mkdirSync(stage.path('.pagekeep/asides/by hand'))
    const next = stage.open()
    next.get('prepared')
    await next.close()
    expect(asides()).toEqual(['by hand', 'shown', 'shown~record'])
    expect(stage.faults).toEqual([])
  })

  it('is forgotten with all pages after a restart of the machine', async () => {
    const store = stage.open()
    keep(store, 'page', 'old')
    await evict(store, 'page')
    writeFileSync(stage.path('.pagekeep/boot'), 'another boot')
    expect(seen(stage.open(), 'page')).toBe('none')
  })

  it('may be removed by hand at any time', async () => {
    const store = stage.open()
    keep(store, 'page', 'one')
    await evict(store, 'page')
    rmSync(stage.path('.pagekeep/asides'), { recursive: true })
    expect(seen(store, 'page')).toBe('none')
    store.dropEvicted('page')
    keep(store, 'page', 'two')
    rmSync(stage.path('.pagekeep/asides'), { recursive: true })
    await evict(store, 'page')
    expect(seen(store, 'page')).toBe('two')
    expect(stage.faults).toEqual([])
  })
})

it('pages without showEvictedMs cost no system call more: none but one for a pattern, or for a subtree with records', async () => {
  const calls: string[] = []
  const store = stage.open({
    files: watched((call, args) => {
      calls.push(
        [call, ...args.filter((arg) => typeof arg === 'string')].join(' ').replaceAll(`${stage.directory}/`, ''),
      )
    }),
  })
  store.get('prepared')
  for (const [kind, selectorOf] of Object.entries(kinds)) {
    if (kind === 'everything') continue
    for (const metadata of [undefined, 'a record']) {
      const key = `${kind} ${metadata}/page.html`
      calls.length = 0
      expect(begin(store, key).publish(page('page', tagsOf(key), metadata === undefined ? {} : { metadata }))).toBe(
        'kept',
      )
      store.get(key)
      const published = calls.splice(0)
      await evict(store, selectorOf(key))
      const isAsked = kind === 'pattern' || (kind === 'subtree' && metadata !== undefined)
      expect(published.filter((call) => call.includes('asides'))).toEqual([])
      expect(calls.filter((call) => call.includes('asides'))).toEqual(isAsked ? ['lstat .pagekeep/asides'] : [])
      expect(calls.filter((call) => call.includes(`open ${key}`) || call.includes('open .pagekeep/meta'))).toEqual([])
    }
  }
})
