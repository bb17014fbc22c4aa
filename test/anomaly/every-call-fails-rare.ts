/**
 * Scenarios that come to the places in the store's source which everyday life does not: what dead processes left, what
 * was removed or put there by hand, logs to be rewritten, evicted pages that may be shown, pages made of others.
 */
import { appendFileSync, linkSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { createCache } from 'pagekeep'
import { DiskStore, systemFiles } from 'pagekeep/stores/disk'
import { vi } from 'vitest'
import { Owner } from '../../src/stores/disk/owner.js'
import { bucketOf } from '../../src/stores/disk/tag-index.js'
import { tight } from './every-call-fails-limited.js'
import { furnish, type Scenario, use } from './every-call-fails-scenarios.js'
import { keys, type Site } from './site.js'

/** Furnished by another process; the one that suffers has not begun. */
const furnishElsewhere = async (site: Site) => {
  for (const key of keys) await site.ask(key, site.other)
}

const evictTop = (site: Site) => site.evict('top.html', ['top.html'])

/** What is done in the background comes to its end. */
const thenClosed = (act: (site: Site) => Promise<void>) => async (site: Site) => {
  await act(site)
  await site.close()
}

/** A token of a process that is no more; with `pid`, of one that has its number from another. */
function deadToken(pid = 2 ** 22 + 1): string {
  const [, , ...place] = new Owner(systemFiles).mint().split('.')
  return [pid, 1, ...place].join('.')
}

/** Whatever a process can leave that dies at everything at once. */
async function leaveAll(site: Site): Promise<void> {
  await furnishElsewhere(site)
  // The other one clears up first, and finds nothing.
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  const [token, alive] = [deadToken(), deadToken(process.ppid)]
  const home = (...path: string[]) => site.path('.pagekeep', ...path)
  for (const path of [`leases/a~${token}`, `leases/b~${alive}`, `temp/${token}`, `tags/.making~${token}`]) {
    writeFileSync(home(path), '')
  }
  linkSync(home(`leases/a~${token}`), home('leases/a.lock'))
  writeFileSync(home('leases/c.lock'), '')
  writeFileSync(home('compacting', `${bucketOf('news')}~${token}`), '\nnews\tnews/1.html\n')
  mkdirSync(home('trash', `news%2fold~${token}`), { recursive: true })
  writeFileSync(home('trash', `news%2fold~${token}`, '.htaccess'), '')
  writeFileSync(home('trash', `news%2fold~${token}`, 'old.html'), '')
  writeFileSync(site.path(`.pagekeep-probe-${token}`), '')
  mkdirSync(site.path(`.pagekeep-new-${token}`, 'tags'), { recursive: true })
  writeFileSync(site.path(`.pagekeep-new-${token}`, 'tags/.whole'), '')
  mkdirSync(home('lru'), { recursive: true })
  rmSync(home('lru/complete'), { force: true })
  writeFileSync(home('lru', `adopting~${token}`), '')
  for (const name of ['open', 'held.1.4096.1', 'full.1.4096.1'])
    writeFileSync(home('lru', `${name}~${token}`), '\n4096 1 0 a\n')
}

/** A tag log with more dead lines in it than it may grow by. */
async function bloatLog(site: Site): Promise<void> {
  await furnish(site)
  appendFileSync(site.path('.pagekeep/tags', bucketOf('news')), '\nnews\tgone.html\n'.repeat(6000))
}

const showable = async (site: Site) => {
  await use(site)
  for (const key of ['top.html', 'news/1.html'] as const) await site.askShown(key, site.other)
}

const large = 'large'.repeat(300_000)

const furnishWithLarge = async (site: Site) => {
  await furnish(site)
  await site.other.getOrRender('large.html', () => large, { ttlMs: 3_600_000 })
}

const readLarge = async (site: Site) => {
  const answer = site.cache.answerNow('large.html', () => large, { asBytes: true, mayStream: true })
  const { streamed } = await answer
  const stream = await streamed?.open(0, streamed.size)
  // What failed has been reported.
  if (stream !== undefined) await text(stream).catch(() => undefined)
}

export const rare: Readonly<Record<string, Scenario>> = {
  'the first use after a process that died at everything': {
    arrange: leaveAll,
    act: thenClosed((site) => site.ask('top.html')),
  },
  'the same under a size limit': {
    arrange: leaveAll,
    act: thenClosed(async (site) => {
      for (const key of keys) await site.ask(key)
    }),
    options: tight,
  },
  'the first use where others keep to a size limit': {
    arrange: async (site) => {
      await furnishElsewhere(site)
      mkdirSync(site.path('.pagekeep/lru'))
      writeFileSync(site.path('.pagekeep/lru/complete'), '')
    },
    act: (site) => site.evict('top.html', ['top.html']).then(() => site.ask('top.html')),
  },
  'a process that ends, and another that begins': {
    arrange: furnish,
    act: async (site) => {
      await site.restart()
      await site.ask('top.html')
    },
  },
  'a second caller, and an eviction of a tag, during a render': {
    act: async (site) => {
      site.hold()
      const landed = await site.begin('news/1.html')
      const joined = site.ask('news/1.html')
      await site.evict({ tag: 'another' }, [], site.other)
      site.release()
      await Promise.all([landed(), joined])
    },
  },
  'waiting for one who died': {
    act: async (site) => {
      const token = site.path('.pagekeep/leases', `top.html~${deadToken()}`)
      writeFileSync(token, '')
      linkSync(token, site.path('.pagekeep/leases/top.html.lock'))
      await site.ask('top.html')
    },
  },
  'an eviction log without a name': {
    arrange: async (site) => {
      await furnishElsewhere(site)
      writeFileSync(site.path('.pagekeep/evictlog'), '\nof an older version\n')
    },
    act: async (site) => {
      await evictTop(site)
      await site.ask('top.html')
    },
  },
  'a tag log that is rewritten': {
    arrange: bloatLog,
    act: thenClosed(async (site) => {
      await site.evict('news/1.html', ['news/1.html'], site.other)
      await site.ask('news/1.html')
    }),
  },
  'a page made of another, and its eviction by that': {
    act: async (site) => {
      await site.askMadeOf('top.html')
      await site.askMadeOf('top.html')
      await evictTop(site)
      await site.askMadeOf('top.html')
    },
  },
  'evicted pages that are shown until there is a new one': {
    arrange: showable,
    act: thenClosed(async (site) => {
      await evictTop(site)
      await site.askShown('top.html')
      await setImmediate()
      await site.askShown('news/1.html')
      await site.evict('news/**', keys.slice(1))
      await site.askShown('news/1.html')
      await site.ask('top.html')
    }),
  },
  'the first use where evicted pages lie': {
    arrange: async (site) => {
      await site.askShown('top.html', site.other)
      await site.evict('top.html', ['top.html'], site.other)
      for (let turn = 0; turn < 20; turn++) await setImmediate()
      rmSync(site.path('.pagekeep/asides/top.html~record'))
    },
    act: thenClosed((site) => site.ask('news/1.html')),
  },
  'hits from memory': {
    arrange: furnish,
    act: async (site) => {
      for (let times = 0; times < 4; times++) {
        await site.ask('top.html')
        // The tick in which the page was written is over, and it is believed from now on.
        site.faulty.leap(25)
      }
    },
  },
  'hits from memory on a slow disk': {
    arrange: furnish,
    act: async (site) => {
      for (let times = 0; times < 4; times++) {
        await site.ask('top.html')
        site.faulty.leap(25)
      }
    },
    options: { io: 'async' },
  },
  'a large page that is read while it is sent': {
    arrange: furnishWithLarge,
    act: readLarge,
  },
  'the same on a slow disk': {
    arrange: furnishWithLarge,
    act: readLarge,
    options: { io: 'async' },
  },
  'a page in the place of the directory of another': {
    arrange: async (site) => {
      await use(site)
      writeFileSync(site.path('news'), 'a page, says somebody')
    },
    act: async (site) => {
      await site.ask('news/1.html')
      rmSync(site.path('news'), { force: true })
    },
    reports: 1,
  },
  'an eviction of a directory that vanishes meanwhile': {
    arrange: furnish,
    act: async (site) => {
      site.faulty.slipIn = (call, [from]) => {
        if (call === 'rename' && from === site.path('news')) rmSync(site.path('news'), { recursive: true, force: true })
      }
      await site.evict('news/**', keys.slice(1))
    },
  },
  'an eviction of a directory with a dotfile': {
    arrange: async (site) => {
      await furnish(site)
      writeFileSync(site.path('news/.htaccess'), '')
    },
    act: (site) => site.evict('news/**', keys.slice(1)),
  },
  'the same, where another process takes it back': {
    arrange: async (site) => {
      await furnish(site)
      writeFileSync(site.path('news/.htaccess'), '')
    },
    act: (site) => {
      site.faulty.slipIn = (call, [from]) => {
        if (call === 'rename' && String(from).endsWith('/.htaccess')) rmSync(String(from), { force: true })
      }
      return site.evict('news/**', keys.slice(1))
    },
  },
  'beginning anew with a directory that is a mount point': {
    arrange: async (site) => {
      await furnishElsewhere(site)
      rmSync(site.path('.pagekeep/compacting'), { recursive: true })
    },
    act: (site) => {
      site.faulty.slipIn = (call, [from]) => {
        if (call === 'rename' && from === site.path('news')) throw Object.assign(new Error('EBUSY'), { code: 'EBUSY' })
      }
      return site.ask('top.html')
    },
  },
  "an eviction of everything beside somebody else's file, where pages lie in a coding": {
    act: async (site) => {
      writeFileSync(site.path('README'), 'no page')
      await site.evict('**', keys)
    },
    options: { coding: 'gzip' },
  },
  'a directory without pages that is given a coding': {
    arrange: async (site) => {
      const plain = new DiskStore({ directory: site.directory })
      await createCache({ store: plain }).evict('**')
      await plain.close()
    },
    act: (site) => site.ask('top.html'),
    options: { coding: 'gzip' },
  },
  'a directory that says of itself that it has two codings': {
    arrange: async (site) => {
      await furnishElsewhere(site)
      rmSync(site.path('.pagekeep/leases.gz'), { recursive: true })
    },
    act: async (site) => {
      const plain = site.path('.pagekeep/leases')
      site.faulty.slipIn = (call, [path]) => {
        if (call === 'mkdir' && path === `${plain}.gz`) mkdirSync(plain, { recursive: true })
      }
      await site.ask('top.html')
      site.faulty.slipIn = undefined
      rmSync(plain, { recursive: true, force: true })
    },
    options: { coding: 'gzip' },
    // Of the two places, and then that the other one's is left.
    reports: 2,
  },
  'a workshop that was removed by hand': {
    act: async (site) => {
      rmSync(site.path('.pagekeep/temp'), { recursive: true })
      await site.ask('news/feed.bin')
    },
  },
  'files for a group that the umask leaves out': {
    arrange: async () => undefined,
    act: async (site) => {
      for (const key of keys) await site.ask(key)
      await site.evict({ tag: 'news' }, keys.slice(1))
    },
    options: { fileMode: 0o666 },
  },
  'sweeps to their end, over pages that are in use': {
    arrange: async (site) => {
      for (const key of keys.slice(0, 3)) await site.ask(key)
      // As if they had been read since.
      const later = new Date(Date.now() + 60_000)
      for (const key of keys.slice(0, 2)) utimesSync(site.path(key), later, new Date())
    },
    act: thenClosed(async (site) => {
      for (const key of keys.slice(2)) await site.ask(key)
    }),
    options: { maxFiles: 2 },
  },
  'a size limit, after a long silence': {
    act: async (site) => {
      await site.ask('top.html')
      const now = vi.spyOn(Date, 'now')
      try {
        const before = now.getMockImplementation() ?? (() => performance.timeOrigin + performance.now())
        now.mockImplementation(() => before() + 40_000)
        await site.ask('news/1.html')
      } finally {
        now.mockRestore()
      }
    },
    options: { maxFiles: 10_000 },
  },
}
