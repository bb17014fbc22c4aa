/** Waiting for the renders of others, and telling the living from the dead. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import type { Busy } from '../../../src/core/store.js'
import { type Files, systemFiles } from '../../../src/stores/disk/files.js'
import { Owner } from '../../../src/stores/disk/owner.js'
import { begin, evict, keep, page, Stage, systemError } from './stage.js'

const stage = new Stage()

function busy(store: ReturnType<Stage['open']>, key: string): Busy {
  const begun = store.begin(key)
  expect(begun.kind).toBe('busy')
  return begun as Busy
}

/** Files whose watch is driven by the test. */
function handWatched(): { files: Files; watches: number; changed: (name: string | null) => void; fail: () => void } {
  const hand = {
    watches: 0,
    changed: (_: string | null): void => undefined,
    fail: (): void => undefined,
    files: {
      ...systemFiles,
      watch(_: string, changed: (name: string | null) => void, failed: (error: Error) => void) {
        hand.watches++
        hand.changed = changed
        hand.fail = () => failed(systemError('ENOSPC'))
        return { close: () => hand.watches-- }
      },
    },
  }
  return hand
}

describe('ended()', () => {
  for (const [how, end] of Object.entries({
    published: (fill: ReturnType<typeof begin>) => fill.publish(page('x')),
    abandoned: (fill: ReturnType<typeof begin>) => fill.abandon(),
    doomed: () => evict(stage.open(), 'a.html'),
  })) {
    it(`resolves when the fill of another store is ${how}`, async () => {
      const fill = begin(stage.open(), 'a.html')
      const waits = [1, 2, 3].map(() => busy(stage.open(), 'a.html').ended())
      await end(fill)
      await Promise.all(waits)
    })
  }

  it('resolves at once when the render has ended already', async () => {
    const fill = begin(stage.open(), 'a.html')
    const waiting = busy(stage.open(), 'a.html')
    fill.publish(page('x'))
    await waiting.ended()
  })

  it('shares one watch over all waits of a store, and ends it with the last', async () => {
    const hand = handWatched()
    const store = stage.open({ files: hand.files })
    const owner = stage.open()
    const fills = ['a.html', 'b.html'].map((key) => begin(owner, key))
    const waits = ['a.html', 'b.html', 'a.html'].map((key) => busy(store, key).ended())
    expect(hand.watches).toBe(1)
    for (const fill of fills) fill.abandon()
    hand.changed('a.html.lock')
    await Promise.all([waits[0], waits[2]])
    expect(hand.watches).toBe(1)
    hand.changed(null)
    await waits[1]
    expect(hand.watches).toBe(0)
  })

  it('is not fooled by changes of other names, nor by its own lock still being there', async () => {
    const hand = handWatched()
    const store = stage.open({ files: hand.files })
    const fill = begin(stage.open(), 'a.html')
    let hasEnded = false
    const wait = busy(store, 'a.html')
      .ended()
      .then(() => {
        hasEnded = true
      })
    for (const name of ['b.html.lock', 'a.html~1.2.3', 'a.html.lock', null]) hand.changed(name)
    await new Promise(setImmediate)
    expect(hasEnded).toBe(false)
    fill.abandon()
    hand.changed('a.html.lock')
    await wait
  })

  it('resolves when the lock has passed to another render', async () => {
    const hand = handWatched()
    const other = stage.open()
    const inode = () => statSync(stage.path('.pagekeep/leases/a.html.lock')).ino
    const fill = begin(other, 'a.html')
    const first = inode()
    const wait = busy(stage.open({ files: hand.files }), 'a.html').ended()
    fill.abandon()
    // A page takes the first inode, so that the next token cannot have it; unless somebody else was faster.
    for (let page = 0, next = fill; next === fill || inode() === first; page++) {
      next.abandon()
      keep(other, `b${page}.html`)
      next = begin(other, 'a.html')
    }
    hand.changed('a.html.lock')
    await wait
  })

  for (const [how, watch] of Object.entries({
    'cannot be had': () => {
      throw systemError('ENOSPC')
    },
    'breaks off': (_: string, __: unknown, failed: (error: Error) => void) => {
      setImmediate(() => failed(systemError('ENOSPC')))
      return { close: () => undefined }
    },
    'is silent': () => ({ close: () => undefined }),
  })) {
    it(`polls slowly when a watch ${how}`, async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      try {
        const store = stage.open({ files: { ...systemFiles, watch } })
        const fill = begin(stage.open(), 'a.html')
        const wait = busy(store, 'a.html').ended()
        await new Promise(setImmediate)
        fill.abandon()
        vi.advanceTimersByTime(250)
        await wait
        expect(vi.getTimerCount()).toBe(0)
      } finally {
        vi.useRealTimers()
      }
    })
  }

  it('never rejects: a fault while looking ends the wait', async () => {
    const fill = begin(stage.open(), 'a.html')
    let isBroken = false
    const files: Files = {
      ...systemFiles,
      names(directory) {
        if (isBroken) throw systemError('EMFILE')
        return systemFiles.names(directory)
      },
    }
    const store = stage.open({ files })
    const waiting = busy(store, 'a.html')
    isBroken = true
    await waiting.ended()
    isBroken = false
    fill.abandon()
  })

  it('never throws: not while it begins to wait, nor when something changes', async () => {
    const hand = handWatched()
    let isBroken = true
    const lstat: Files['lstat'] = (path) => {
      if (isBroken && path.endsWith('a.html.lock')) throw systemError('EIO')
      return systemFiles.lstat(path)
    }
    const store = stage.open({ files: { ...hand.files, lstat } })
    begin(stage.open(), 'a.html')
    isBroken = false
    const waiting = busy(store, 'a.html')
    isBroken = true
    await waiting.ended()
    for (const name of ['a.html.lock', null]) {
      isBroken = false
      const wait = waiting.ended()
      isBroken = true
      hand.changed(name)
      await wait
    }
    expect(hand.watches).toBe(0)
  })

  it('resolves when its own store is closed', async () => {
    begin(stage.open(), 'a.html')
    const store = stage.open()
    const waiting = busy(store, 'a.html')
    const wait = waiting.ended()
    await store.close()
    await wait
    await waiting.ended()
  })

  it('waits on while the owner lives, and takes over from one of another container after a minute', async () => {
    const hand = handWatched()
    const store = stage.open({ files: hand.files })
    store.get('prepared')
    const [pid, start, place = ''] = new Owner(systemFiles).mint().split('.')
    const token = stage.path('.pagekeep/leases', `a.html~${pid}.${start}.${place.split('-')[0]}-zzz.0.1`)
    writeFileSync(token, '')
    systemFiles.link(token, stage.path('.pagekeep/leases/a.html.lock'))
    let hasEnded = false
    const wait = busy(store, 'a.html')
      .ended()
      .then(() => {
        hasEnded = true
      })
    hand.changed(null)
    await new Promise(setImmediate)
    expect(hasEnded).toBe(false)
    utimesSync(token, 1, 1)
    hand.changed(null)
    await wait
  })
})

describe('the takeover time', () => {
  it('is 250 ms: whoever waits for an owner that was killed goes on at the next poll, and not before its death', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
    await once(child, 'spawn')
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      // Nothing tells of a death but the poll.
      const store = stage.open({ files: { ...systemFiles, watch: () => ({ close: () => undefined }) } })
      store.get('prepared')
      const [, , ...place] = new Owner(systemFiles).mint().split('.')
      const start = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]
      const token = stage.path('.pagekeep/leases', `a.html~${[child.pid, start, ...place].join('.')}`)
      writeFileSync(token, '')
      systemFiles.link(token, stage.path('.pagekeep/leases/a.html.lock'))
      let hasEnded = false
      const wait = busy(store, 'a.html')
        .ended()
        .then(() => {
          hasEnded = true
        })
      vi.advanceTimersByTime(100_000)
      await new Promise(setImmediate)
      expect(hasEnded).toBe(false)
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      vi.advanceTimersByTime(250)
      await wait
      expect(store.begin('a.html').kind).toBe('fill')
    } finally {
      vi.useRealTimers()
      child.kill('SIGKILL')
    }
  })
})

describe('of several who wait for an owner that died', () => {
  it('the later ones leave the lock of the first alone, whose file may have the number of the dead one', async () => {
    const heirs = stage.open()
    heirs.get('prepared')
    // Until it has cleaned up after others.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const owner = new Owner(systemFiles)
    const dead = owner.mint()
    owner.retire(dead)
    const token = stage.path('.pagekeep/leases', `a.html~${dead}`)
    const lock = stage.path('.pagekeep/leases/a.html.lock')
    writeFileSync(token, '')
    systemFiles.link(token, lock)
    // A tick of the file system's clock.
    await new Promise((resolve) => setTimeout(resolve, 30))
    let heir: ReturnType<typeof begin> | undefined
    const files: Files = {
      ...systemFiles,
      names(directory) {
        const names = systemFiles.names(directory)
        if (heir === undefined && names.includes(`a.html~${dead}`)) {
          systemFiles.unlink(token)
          systemFiles.unlink(lock)
          heir = begin(heirs, 'a.html')
        }
        return names
      },
    }
    const later = stage.open({ files })
    await busy(later, 'a.html').ended()
    expect(heir?.state()).toBe('current')
    expect(later.begin('a.html').kind).toBe('busy')
  })
})

describe('a store that is first used', () => {
  it('removes what the dead left, and not the lock of a fill that begins meanwhile', async () => {
    const others = stage.open()
    others.get('prepared')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const locks = ['a.html.lock', 'b.html.lock']
    for (const lock of locks) writeFileSync(stage.path('.pagekeep/leases', lock), '')
    let isTold = false
    const files: Files = {
      ...systemFiles,
      names(directory) {
        const names = systemFiles.names(directory)
        if (!isTold && names.includes('a.html.lock')) {
          isTold = true
          begin(others, 'a.html')
        }
        return names
      },
    }
    const late = stage.open({ files })
    late.get('prepared')
    await vi.waitFor(() => {
      expect(systemFiles.names(stage.path('.pagekeep/leases'))).not.toContain('b.html.lock')
    })
    expect(isTold).toBe(true)
    expect(late.begin('a.html').kind).toBe('busy')
  })
})

describe('a lock lost by mistake', () => {
  it('from a living owner costs a second render, and never keeps the first', async () => {
    const slow = begin(stage.open(), 'a.html')
    const [name = ''] = systemFiles.names(stage.path('.pagekeep/leases')).filter((one) => one.includes('~'))
    // From here on everybody takes the owner for dead.
    new Owner(systemFiles).retire(name.slice(name.indexOf('~') + 1))
    const store = stage.open()
    await busy(store, 'a.html').ended()
    const second = begin(store, 'a.html')
    expect(slow.state()).toBe('doomed')
    expect(second.publish(page('second'))).toBe('kept')
    expect(slow.publish(page('first'))).toBe('doomed')
    expect(store.get('a.html')?.body).toBe('second')
  })

  it('altogether: both render, and an eviction dooms both', async () => {
    const store = stage.open()
    const first = begin(store, 'a.html')
    systemFiles.unlink(stage.path('.pagekeep/leases/a.html.lock'))
    const second = begin(stage.open(), 'a.html')
    expect((await evict(stage.open(), 'a.html')).doomed).toBe(2)
    expect([first, second].map((fill) => fill.publish(page('old')))).toEqual(['doomed', 'doomed'])
    expect(store.begin('a.html').kind).toBe('fill')
  })
})

describe('begin()', () => {
  it('begins at once where a lock was left by a doomed fill', () => {
    const store = stage.open()
    store.get('prepared')
    writeFileSync(stage.path('.pagekeep/leases/a.html.lock'), '')
    expect(store.begin('a.html').kind).toBe('fill')
  })

  it('begins even if evictions remove each of its tokens at once', () => {
    const files: Files = {
      ...systemFiles,
      link(existing, name) {
        if (name.endsWith('.lock')) systemFiles.unlink(existing)
        systemFiles.link(existing, name)
      },
    }
    const begun = stage.open({ files }).begin('a.html')
    expect(begun.kind === 'fill' && begun.publish(page('x'))).toBe('kept')
  })

  it('that fails leaves no token and no lock', () => {
    const files: Files = {
      ...systemFiles,
      stat(path) {
        if (path.endsWith('evictlog')) throw systemError('EIO')
        return systemFiles.stat(path)
      },
    }
    const store = stage.open({ files })
    expect(() => store.begin('a.html')).toThrow(/EIO/)
    expect(systemFiles.names(stage.path('.pagekeep/leases'))).toEqual([])
  })
})

describe('an owner', () => {
  const owner = new Owner(systemFiles)

  it('is alive until its token is retired', () => {
    const token = owner.mint()
    expect(owner.livenessOf(token)).toBe('alive')
    owner.retire(token)
    expect(owner.livenessOf(token)).toBe('dead')
  })

  it('is known by all copies of the module in a process', async () => {
    const token = owner.mint()
    vi.resetModules()
    const copy = await import('../../../src/stores/disk/owner.js')
    expect(copy.Owner).not.toBe(Owner)
    expect(new copy.Owner(systemFiles).livenessOf(token)).toBe('alive')
    owner.retire(token)
  })

  it('never makes a token twice', () => {
    expect(new Set(Array.from({ length: 1000 }, () => owner.mint())).size).toBe(1000)
  })

  it('of another start time, another boot, or no process is dead; of another container or thread, unknown', () => {
    const [, , place = ''] = owner.mint().split('.')
    const parent = process.ppid
    const stat = systemFiles.text(`/proc/${parent}/stat`)
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    const boot = place.split('-')[0]
    expect(owner.livenessOf(`${parent}.${start}.${place}.0.u`)).toBe('alive')
    expect(owner.livenessOf(`${parent}.${start}.${place}.3.u`)).toBe('unknown')
    expect(owner.livenessOf(`${parent}.${start}.${boot}-zz.0.u`)).toBe('unknown')
    expect(owner.livenessOf(`${parent}.1${start}.${place}.0.u`)).toBe('dead')
    expect(owner.livenessOf(`${parent}.${start}.otherbut-1.0.u`)).toBe('dead')
    expect(owner.livenessOf(`4194999.${start}.${place}.0.u`)).toBe('dead')
    expect(owner.livenessOf('nonsense')).toBe('dead')
  })

  it('that is a zombie is dead; where there is no /proc the signal 0 decides', () => {
    const { ppid } = process
    const zombie: Files = {
      ...systemFiles,
      text: (path) => (path === `/proc/${ppid}/stat` ? `${ppid} (a) b) Z 1 1` : systemFiles.text(path)),
    }
    const [, , place = ''] = owner.mint().split('.')
    expect(new Owner(zombie).livenessOf(`${ppid}.1.${place}.0.u`)).toBe('dead')
    const without: Files = {
      ...systemFiles,
      text: () => {
        throw systemError('ENOENT')
      },
      stat: () => undefined,
    }
    const stranger = new Owner(without)
    const [, , nowhere = ''] = stranger.mint().split('.')
    expect(stranger.livenessOf(`${ppid}.0.${nowhere}.0.u`)).toBe('alive')
    expect(stranger.livenessOf(`4194999.0.${nowhere}.0.u`)).toBe('dead')
  })
})
