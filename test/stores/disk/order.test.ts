/**
 * The order of system calls is the proof; here it is tried. Two processes, one preempted by the other
 * before each of its calls in turn. Afterwards no page of the render that began before the eviction may be
 * there. Each sentence has a twin with the order reversed, which must leave one.
 */
import { writeFileSync } from 'node:fs'
import { parseSelector, type SelectorInput } from 'pagekeep'
import type { Files } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import type { PatternSelector } from '../../../src/core/selector.js'
import type { Eviction } from '../../../src/core/store.js'
import { doom } from '../../../src/stores/disk/doom.js'
import { EvictionLog } from '../../../src/stores/disk/eviction-log.js'
import { systemFiles } from '../../../src/stores/disk/files.js'
import { Layout } from '../../../src/stores/disk/layout.js'
import { Lease } from '../../../src/stores/disk/lease.js'
import { Owner } from '../../../src/stores/disk/owner.js'
import { placePage } from '../../../src/stores/disk/placing.js'
import { TagIndex } from '../../../src/stores/disk/tag-index.js'
import { Tally } from '../../../src/stores/disk/tally.js'
import { eachMoment } from './preempt.js'
import { begin, evict, keep, page, Stage, systemError } from './stage.js'

const stage = new Stage()

const kinds: Readonly<Record<string, (key: string) => SelectorInput>> = {
  key: (key) => key,
  subtree: (key) => `${key.split('/')[0]}/**`,
  everything: () => '**',
  pattern: (key) => `${key.split('/')[0]}/*`,
  tag: (key) => ({ tag: `tag of ${key}` }),
}
const tagsOf = (key: string) => [`tag of ${key}`]

/** The moments of an eviction at which a publish leaves a page behind. */
function publishDuring(evictor: (files: Files) => (key: string) => unknown, isThere = false): Promise<number[]> {
  const filler = stage.open()
  return eachMoment(async (nth, moment) => {
    const key = `d${nth}/page.html`
    if (isThere) keep(filler, key, 'older', tagsOf(key))
    const fill = begin(filler, key)
    const evicting = evictor(moment.files)
    moment.preempt(nth, () => void fill.publish(page('old', tagsOf(key))))
    await evicting(key)
    if (!moment.hasCome) expect(fill.publish(page('old', tagsOf(key)))).toBe('doomed')
    return filler.get(key) !== undefined
  })
}

/** The moments of a publish at which an eviction leaves a page behind. */
function evictDuring(filler: (files: Files) => (key: string) => () => void, kind: keyof typeof kinds) {
  const evictor = stage.open()
  return eachMoment(async (nth, moment) => {
    const key = `d${nth}/page.html`
    let evicting: Promise<Eviction> | undefined
    const publish = filler(moment.files)(key)
    const selector = kinds[kind]?.(key) ?? key
    moment.preempt(nth, () => {
      evicting = evict(evictor, selector)
    })
    publish()
    if (!moment.hasCome) evicting = evict(evictor, selector)
    expect((await evicting)?.failures).toEqual([])
    return evictor.get(key) !== undefined
  })
}

const realFiller = (files: Files) => {
  const store = stage.open({ files })
  return (key: string) => {
    const fill = begin(store, key)
    return () => void fill.publish(page('old', tagsOf(key)))
  }
}

function diskOn(files: Files) {
  const layout = new Layout(stage.directory)
  const fault = () => undefined
  return { files, layout, owner: new Owner(files), fileMode: 0o644, directoryMode: 0o755, fault }
}

describe('an eviction', () => {
  for (const [kind, selectorOf] of Object.entries(kinds)) {
    for (const isThere of [false, true]) {
      const over = isThere ? ' over an older page' : ''
      it(`by ${kind} leaves no page that was published${over} at any of its system calls`, async () => {
        const real = (files: Files) => {
          const store = stage.open({ files })
          store.get('prepared')
          return (key: string) => evict(store, selectorOf(key))
        }
        expect(await publishDuring(real, isThere)).toEqual([])
      })
    }
    it(`by ${kind} at any system call of a publish leaves no page`, async () => {
      expect(await evictDuring(realFiller, kind)).toEqual([])
    })
  }

  it('by tag whose log cannot be written leaves no page either, at any of its system calls', async () => {
    const fullDisk = (files: Files) => {
      const full = new Proxy(files, {
        get: (target, call: keyof Files) =>
          call === 'write'
            ? () => {
                throw systemError('ENOSPC')
              }
            : target[call],
      })
      const store = stage.open({ files: full })
      store.get('prepared')
      return (key: string) => evict(store, { tag: `tag of ${key}` })
    }
    expect(await publishDuring(fullDisk)).toEqual([])
    expect(await publishDuring(fullDisk, true)).toEqual([])
  })

  it('twin: one by tag whose log cannot be written, and that dooms after it has read the registrations, leaves one', async () => {
    const readFirst = (files: Files) => (key: string) => {
      const disk = diskOn(files)
      const found = new Map([...new TagIndex(disk).keysOf(`tag of ${key}`)].map((one) => [one, parseSelector(one)]))
      doom(disk, { keys: found, patterns: [], all: parseSelector(key) }, new Tally())
      for (const one of found.keys()) {
        if (files.lstat(disk.layout.page(one)) !== undefined) files.unlink(disk.layout.page(one))
      }
    }
    expect(await publishDuring(readFirst)).not.toEqual([])
  })

  it('twin: one that removes the page before it dooms leaves a stale page', async () => {
    const pageFirst = (files: Files) => (key: string) => {
      const disk = diskOn(files)
      if (files.lstat(disk.layout.page(key)) !== undefined) files.unlink(disk.layout.page(key))
      doom(disk, { keys: new Map([[key, parseSelector(key)]]), patterns: [], all: undefined }, new Tally())
    }
    expect(await publishDuring(pageFirst)).not.toEqual([])
  })

  it('twin: one that renames the directory away before it dooms leaves a stale page', async () => {
    const renameFirst = (files: Files) => (key: string) => {
      const disk = diskOn(files)
      const pattern = parseSelector(`${key.split('/')[0]}/**`) as PatternSelector
      if (files.lstat(disk.layout.page(pattern.directory)) !== undefined) {
        files.rename(disk.layout.page(pattern.directory), `${disk.layout.trash}/x~${key.replace('/', '.')}`)
      }
      doom(disk, { keys: new Map(), patterns: [pattern], all: undefined }, new Tally())
    }
    expect(await publishDuring(renameFirst, true)).not.toEqual([])
  })

  it('twin: one by tag that reads the registrations before it writes the log leaves a stale page', async () => {
    const readFirst = (files: Files) => (key: string) => {
      const disk = diskOn(files)
      const tag = `tag of ${key}`
      const keys = new Map([...new TagIndex(disk).keysOf(tag)].map((found) => [found, parseSelector(found)]))
      new EvictionLog(disk).append([tag])
      doom(disk, { keys, patterns: [], all: undefined }, new Tally())
      for (const found of keys.keys()) {
        if (files.lstat(disk.layout.page(found)) !== undefined) files.unlink(disk.layout.page(found))
      }
    }
    expect(await publishDuring(readFirst)).not.toEqual([])
  })
})

describe('a publish', () => {
  it('twin: one by temporary file and rename, without a token, leaves a stale page', async () => {
    const naive = (files: Files) => (key: string) => {
      stage.open().get('prepared')
      return () => {
        const disk = diskOn(files)
        const draft = `${disk.layout.temp}/draft`
        writeFileSync(draft, 'old')
        files.mkdir(disk.layout.page(key.split('/')[0] ?? ''), 0o755)
        files.rename(draft, disk.layout.page(key))
      }
    }
    expect(await evictDuring(naive, 'key')).not.toEqual([])
  })

  it('shows readers the older page, the newer one, or none, whole, at any of its system calls', async () => {
    const bodies = { text: ['older page', 'newer'], bytes: [Buffer.from('older page'), Buffer.from('newer')] } as const
    for (const [older, newer] of Object.values(bodies)) {
      const seen = new Set<string | undefined>()
      await eachMoment(async (nth, moment) => {
        const reader = stage.open()
        keep(reader, 'a.html', older)
        const fill = begin(stage.open({ files: moment.files }), 'a.html')
        moment.preempt(nth, () => void seen.add(reader.get('a.html')?.body.toString()))
        expect(fill.publish(page(newer))).toBe('kept')
        expect(reader.get('a.html')?.body.toString()).toBe('newer')
        return false
      })
      seen.delete(undefined)
      expect([...seen].sort()).toEqual(['newer', 'older page'])
    }
  })

  const inOrder = (steps: 'register, check' | 'check, register' | 'register') => (files: Files) => (key: string) => {
    stage.open().get('prepared')
    const disk = diskOn(files)
    const log = new EvictionLog(disk)
    const index = new TagIndex(disk)
    const lease = Lease.take(disk, key, false)
    if (lease !== undefined) writeFileSync(lease.path, 'old')
    const position = log.note()
    return () => {
      let isDoomed = false
      for (const step of steps.split(', ')) {
        if (step === 'register') index.register(key, tagsOf(key))
        else isDoomed = log.namesAnySince(position, tagsOf(key))
      }
      if (!isDoomed && lease !== undefined) placePage(disk, lease.path, key)
      lease?.release()
      log.release(position)
    }
  }

  it('that registers its tags, then checks the log, leaves no stale page', async () => {
    expect(await evictDuring(inOrder('register, check'), 'tag')).toEqual([])
  })

  it('twin: one that checks the log before it registers its tags leaves a stale page', async () => {
    expect(await evictDuring(inOrder('check, register'), 'tag')).not.toEqual([])
  })

  it('twin: one that does not check the log leaves a stale page', async () => {
    expect(await evictDuring(inOrder('register'), 'tag')).not.toEqual([])
  })

  it('calls the system in the order of the proof', () => {
    const calls: string[] = []
    const place = (path: unknown) =>
      /leases|tags|evictlog|meta|page$/.exec(String(path).replace(stage.directory, ''))?.[0] ?? '?'
    const files = new Proxy(systemFiles, {
      get: (target, call: keyof Files) => {
        const real = target[call] as (...args: unknown[]) => unknown
        return (...args: unknown[]) => {
          const name = call === 'rename' ? `rename ${place(args[0])} to ${place(args[1])}` : `${call} ${place(args[0])}`
          if (['open', 'link', 'rename', 'unlink', 'stat'].includes(call)) calls.push(name)
          return real(...args)
        }
      },
    })
    const store = stage.open({ files })
    // The eviction log is made by whoever needs it first.
    begin(stage.open(), 'other').abandon()
    store.get('other')
    calls.length = 0
    keep(store, 'page', 'text', ['tag'])
    expect(calls).toEqual([
      'open leases',
      'link leases',
      'stat evictlog',
      'open evictlog',
      'open leases',
      'open tags',
      'stat tags',
      'stat evictlog',
      'rename leases to page',
      'unlink leases',
    ])
  })
})
