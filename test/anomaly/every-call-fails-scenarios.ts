/**
 * What is done to a site while a call of its store fails: every act of a store, alone and beside fills in flight.
 * Each scenario is played again and again, so it is as short as it can be.
 */
import { rmSync } from 'node:fs'
import type { DiskStoreOptions } from 'pagekeep/stores/disk'
import { expect } from 'vitest'
import type { Errno } from './faulty-files.js'
import { keys, keysOf, type Site } from './site.js'

export interface Scenario {
  /** Before the calls are counted. Default: the store has been used, and nothing is kept. */
  readonly arrange?: (site: Site) => Promise<void>
  readonly act: (site: Site) => Promise<void>
  /** Default: all. A long scenario of calls that others make in the same way needs no more than EIO. */
  readonly errnos?: readonly Errno[]
  /** Of the store. Default: none. */
  readonly options?: Partial<DiskStoreOptions>
  /** How many faults it reports when no call fails. Default 0. */
  readonly reports?: number
}

export const use = async (site: Site) => void (await site.cache.get('top.html'))

export const furnish = async (site: Site) => {
  await use(site)
  for (const key of keys) await site.ask(key, site.other)
}

/** One fill in flight in the cache that suffers, one in the other, and an eviction between them. */
const inFlight = (evict: (site: Site) => Promise<void>) => async (site: Site) => {
  site.hold()
  const landed = [await site.begin('news/1.html'), await site.begin('news/a/2.html', site.other)]
  await evict(site)
  site.release()
  await Promise.all(landed.map((land) => land()))
}

export const evictions: Readonly<Record<string, (site: Site) => Promise<void>>> = {
  'a key': (site) => site.evict('news/1.html', ['news/1.html']),
  'two keys and a tag': (site) =>
    site.evict(['news/1.html', 'news/feed.bin', { tag: 'tag of news/a/2.html' }], keys.slice(1)),
  'a subtree': (site) => site.evict('news/**', keys.slice(1)),
  everything: (site) => site.evict('**', keys),
  'a pattern': (site) => site.evict('news/*', ['news/1.html', 'news/feed.bin']),
  'a tag': (site) => site.evict({ tag: 'news' }, keys.slice(1)),
}

export const scenarios: Record<string, Scenario> = {
  'the first use of a new directory': { arrange: async () => undefined, act: (site) => site.ask('top.html') },
  'a fill of a plain page': { arrange: furnish, act: async (site) => refill(site, 'top.html') },
  'a fill with tags': { arrange: furnish, act: async (site) => refill(site, 'news/1.html') },
  'a fill with a record': { arrange: furnish, act: async (site) => refill(site, 'news/feed.bin') },
  'a fill into a directory that an eviction took away': {
    act: async (site) => {
      site.hold()
      const landed = await site.begin('news/a/2.html')
      await site.evict('news/1.html', ['news/1.html'], site.other)
      site.release()
      await landed()
    },
  },
  'hits, of plain pages and of one with a record': {
    arrange: furnish,
    act: async (site) => {
      for (const key of keys) await site.ask(key)
    },
  },
  'hits by a thread of the pool': {
    arrange: furnish,
    act: async (site) => {
      for (const key of keys) await site.ask(key)
    },
    options: { io: 'async' },
    errnos: ['EIO'],
  },
  'fills, hits and evictions of pages in a coding': {
    act: async (site) => {
      for (const key of [...keys, ...keys]) await site.ask(key)
      await site.evict('news/*', ['news/1.html', 'news/feed.bin'])
      await site.evict('news/**', keys.slice(1))
      await site.ask('news/a/2.html')
      await site.evict({ tag: 'news' }, keys.slice(1))
    },
    options: { coding: 'gzip' },
    errnos: ['EIO'],
  },
  'the first use of a new directory for pages in a coding': {
    arrange: async () => undefined,
    act: (site) => site.ask('top.html'),
    options: { coding: 'br' },
    errnos: ['EIO', 'ENOSPC'],
  },
  'beginning anew after the tags of pages were removed by hand': {
    arrange: async (site) => {
      await furnish(site)
      rmSync(site.path('.pagekeep/tags'), { recursive: true })
    },
    act: async (site) => {
      await site.evict({ tag: 'news' }, keys.slice(1))
      await site.ask('news/1.html')
    },
    errnos: ['EIO'],
  },
  "waiting for another's fill": {
    act: async (site) => {
      site.hold()
      const landed = await site.begin('news/1.html', site.other)
      const answers = [site.ask('news/1.html'), site.ask('news/1.html')]
      await new Promise(setImmediate)
      site.release()
      await Promise.all([landed(), ...answers])
    },
  },
  'keys(), of everything, of a pattern and of a tag': {
    arrange: furnish,
    act: async (site) => {
      for (const selector of ['**', 'news/*', 'top.html', { tag: 'news' }]) {
        await site.attempt(async () => expect((await keysOf(site.cache, selector)).length).toBeGreaterThan(0))
      }
    },
  },
  'texts of invalidators, written, read and removed': {
    act: async (site) => {
      await site.attempt(() => site.cache.state.write('cursor', '1'))
      await site.attempt(async () => expect(['1', undefined]).toContain(await site.cache.state.read('cursor')))
      await site.attempt(() => site.cache.state.write('cursor', ''))
    },
  },
  'closing, with a fill in flight and an eviction to be deleted': {
    arrange: furnish,
    act: async (site) => {
      await site.evict('news/**', keys.slice(1))
      site.hold()
      const landed = await site.begin('news/1.html')
      const closed = site.close()
      site.release()
      await Promise.all([closed, landed()])
    },
  },
  ...Object.fromEntries(
    Object.entries(evictions).flatMap(([name, evict]) => [
      [`an eviction of ${name}`, { arrange: furnish, act: evict }],
      [`an eviction of ${name} with two fills in flight`, { act: inFlight(evict) }],
    ]),
  ),
}

/** As many kinds of calls as one scenario can make. */
export const tour: Scenario = {
  arrange: async () => undefined,
  act: async (site) => {
    for (const key of [...keys, ...keys]) await site.ask(key)
    // A page without its record is looked at once more.
    rmSync(site.path('.pagekeep/meta/news/.feed.bin'), { force: true })
    await site.ask('news/feed.bin')
    await site.evict('news/1.html', ['news/1.html'], site.other)
    await scenarios["waiting for another's fill"]?.act(site)
    for (const evict of Object.values(evictions)) await evict(site)
    await scenarios['texts of invalidators, written, read and removed']?.act(site)
    await site.ask('news/feed.bin')
    await site.attempt(() => keysOf(site.cache, 'news/*'))
  },
}

/** As an eviction in another process and the next request. */
async function refill(site: Site, key: (typeof keys)[number]): Promise<void> {
  await site.evict(key, [key], site.other)
  await site.ask(key)
  await site.ask(key)
}
