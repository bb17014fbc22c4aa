/** Tags: registered before the page appears, found by evictions, and kept small. */
import { appendFileSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EvictionLog } from '../../../src/stores/disk/eviction-log.js'
import { systemFiles } from '../../../src/stores/disk/files.js'
import { Layout } from '../../../src/stores/disk/layout.js'
import { Owner } from '../../../src/stores/disk/owner.js'
import { TagCompaction } from '../../../src/stores/disk/tag-compaction.js'
import { bucketOf, TagIndex } from '../../../src/stores/disk/tag-index.js'
import { eachMoment } from './preempt.js'
import { begin, evict, failing, keep, keysOf, page, Stage, watched } from './stage.js'

const stage = new Stage()

function diskOn(files = systemFiles) {
  stage.open().get('prepared')
  const layout = new Layout(stage.directory)
  const faults: unknown[] = []
  const fault = (error: unknown) => void faults.push(error)
  return { files, layout, owner: new Owner(files), fileMode: 0o644, directoryMode: 0o755, fault, faults }
}

const bucket = (tag: string) => stage.path('.pagekeep/tags', bucketOf(tag))

describe('evict() by tag', () => {
  it('removes every page that has the tag, and no other', async () => {
    const store = stage.open()
    keep(store, 'a.html', 'a', ['port:1', 'port:2'])
    keep(store, 'b.html', 'b', ['port:1'])
    keep(store, 'c.html', 'c', ['port:11', 'ort:1', 'port:'])
    const { removed, keys } = await evict(store, { tag: 'port:1' })
    expect([removed, [...keys].sort()]).toEqual([2, ['a.html', 'b.html']])
    expect(await keysOf(store)).toEqual(['c.html'])
    expect(await keysOf(store, { tag: 'port:11' })).toEqual(['c.html'])
  })

  it('dooms a fill that registers the tag only afterwards, and no fill that has other tags', async () => {
    const store = stage.open()
    const touched = begin(store, 'a.html')
    const other = begin(store, 'b.html')
    const untagged = begin(store, 'c.html')
    await evict(stage.open(), { tag: 'x' })
    expect([touched, other, untagged].map((fill) => fill.state())).toEqual(['unsure', 'unsure', 'unsure'])
    expect(touched.publish(page('old', ['y', 'x']))).toBe('doomed')
    expect(other.publish(page('fine', ['y', 'xx', '']))).toBe('kept')
    expect(untagged.publish(page('fine'))).toBe('kept')
  })

  it('before the fill began does not touch it', async () => {
    const store = stage.open()
    await evict(store, { tag: 'x' })
    const fill = begin(store, 'a.html')
    expect(fill.state()).toBe('current')
    expect(fill.publish(page('new', ['x']))).toBe('kept')
  })

  it('by way of a torn line in the index removes too much at most', async () => {
    const store = stage.open()
    keep(store, 'abc.html', 'x', ['t'])
    appendFileSync(bucket('t'), '\nt\tab')
    keep(store, 'ab', 'x')
    keep(store, 'abd.html', 'x', ['t'])
    appendFileSync(bucket('t'), '\nt\t../../outside\n\nt\t\n\nt\ta/\n')
    writeFileSync(stage.path('../outside'), 'precious')
    expect((await evict(store, { tag: 't' })).removed).toBe(3)
    expect(readFileSync(stage.path('../outside'), 'utf8')).toBe('precious')
  })

  it('that cannot write the eviction log dooms every fill in flight, says so, and goes on', async () => {
    const store = stage.open()
    keep(store, 'kept.html', 'x', ['t'])
    const fills = ['a.html', 'b.html'].map((key) => begin(store, key))
    const { failures, doomed } = await evict(stage.open({ files: failing('write', 'ENOSPC') }), { tag: 't' })
    expect({ failures, doomed }).toEqual({ failures: [], doomed: 2 })
    expect(fills.map((fill) => fill.publish(page('x', ['other'])))).toEqual(['doomed', 'doomed'])
    expect(store.get('kept.html')).toBeUndefined()
    expect(stage.faults.map(({ code }) => code)).toEqual(['store-failed'])
  })

  it('that writes only a part of the log line is such a failure too', async () => {
    const torn = {
      ...systemFiles,
      write: (fd: number, bytes: Uint8Array) => systemFiles.write(fd, bytes.subarray(0, 2)),
    }
    const fill = begin(stage.open(), 'a.html')
    await evict(stage.open({ files: torn }), { tag: 'tag' })
    expect(fill.publish(page('x', ['tag']))).toBe('doomed')
  })

  it('that cannot read the index is a failure, and the other selectors are evicted', async () => {
    const store = stage.open()
    keep(store, 'a.html', 'x', ['t'])
    keep(store, 'b.html')
    const { failures } = await evict(stage.open({ files: failing('open', 'EIO', '/tags/') }), { tag: 't' }, 'b.html')
    expect(failures.map(({ selector }) => selector.text)).toEqual(['tag:t'])
    expect(await keysOf(store)).toEqual(['a.html'])
  })
})

describe('publish() with tags', () => {
  it('that cannot register them keeps nothing, and throws', () => {
    stage.open().get('prepared')
    const store = stage.open({ files: failing('open', 'ENOSPC', '/tags/') })
    expect(() => begin(store, 'a.html').publish(page('x', ['t']))).toThrow(/disk is full/)
    expect(store.get('a.html')).toBeUndefined()
    expect(store.begin('a.html').kind).toBe('fill')
  })

  it('a page without tags reads neither the index nor the log', () => {
    const calls: string[] = []
    const store = stage.open({ files: watched((call, [path]) => calls.push(`${call} ${String(path)}`)) })
    begin(store, 'other.html').abandon()
    calls.length = 0
    keep(store, 'a.html', 'x')
    expect(calls.filter((call) => /tags|evictlog/.test(call))).toEqual([`stat ${stage.path('.pagekeep/evictlog')}`])
  })

  it('registers again when the log it wrote to was renamed away meanwhile', () => {
    let renames = 2
    const files = watched((call, [path]) => {
      if (call !== 'stat' || !String(path).includes('/tags/') || renames-- <= 0) return
      renameSync(String(path), `${String(path)}.old${renames}`)
    })
    const disk = diskOn(files)
    new TagIndex(disk).register('a.html', ['t'])
    expect(renames).toBe(-1)
    expect([...new TagIndex(disk).keysOf('t')]).toEqual(['a.html'])
  })
})

describe('the eviction log', () => {
  it('that has grown long is renamed away; fills that began with it doom themselves if they have tags', async () => {
    const disk = diskOn()
    const log = new EvictionLog(disk, 120)
    const before = log.note()
    log.append(['x'.repeat(60)])
    expect(log.namesAnySince(before, ['y'])).toBe(false)
    const between = log.note()
    log.append(['z'.repeat(60)])
    expect(log.hasGrownSince(before)).toBe(true)
    expect([before, between].map((position) => log.namesAnySince(position, ['y']))).toEqual([true, true])
    const after = log.note()
    // The name of the new one.
    expect(after.bytes).toBe(27)
    log.append(['w'])
    expect(log.namesAnySince(after, ['y'])).toBe(false)
    expect(log.namesAnySince(after, ['y', 'w'])).toBe(true)
    for (const position of [before, between, after]) log.release(position)
    log.close()
    expect(readdirSync(stage.path('.pagekeep/temp'))).toEqual([])
  })

  it('holds open a log while a fill needs it, so that no later log has its inode', () => {
    const open = new Set<number>()
    const files = {
      ...systemFiles,
      open: (path: string, flags: number, mode?: number) => {
        const fd = systemFiles.open(path, flags, mode)
        open.add(fd)
        return fd
      },
      close: (fd: number) => {
        open.delete(fd)
        systemFiles.close(fd)
      },
    }
    const log = new EvictionLog(diskOn(files), 10)
    const positions = [1, 2, 3].map(() => {
      const position = log.note()
      log.append(['a long enough tag'])
      return position
    })
    expect(new Set(positions.map((position) => position.log.inode)).size).toBe(3)
    for (const position of positions) log.release(position)
    log.close()
    expect(open.size).toBe(0)
  })

  it('appends again when it was renamed away meanwhile', () => {
    let isRenamed = false
    const files = watched((call, [path]) => {
      if (call !== 'stat' || !String(path).endsWith('evictlog') || isRenamed) return
      isRenamed = true
      renameSync(String(path), `${String(path)}.old`)
    })
    new EvictionLog(diskOn(files)).append(['t'])
    expect(readFileSync(stage.path('.pagekeep/evictlog'), 'utf8')).toMatch(/^\n#[\w-]{24}\n\nt\n$/)
  })
})

describe('the rewriting of a tag log', () => {
  /** A log with 50 lines for a page that is there, 50 for one in flight, 50 for one that is gone. */
  function furnish(store = stage.open()) {
    keep(store, 'there.html', 'x', ['t'])
    keep(store, 'gone.html', 'x', ['t'])
    const fill = begin(store, 'in-flight.html')
    const lines = ['there.html', 'in-flight.html', 'gone.html'].map((key) => `\nt\t${key}\n`.repeat(50)).join('')
    writeFileSync(bucket('t'), lines)
    systemFiles.unlink(stage.path('gone.html'))
    return fill
  }

  it('keeps one line of each page that is there or in flight', async () => {
    const fill = furnish()
    const compaction = new TagCompaction(diskOn(), 100)
    compaction.hasGrown(bucketOf('t'), statSync(bucket('t')).size)
    await compaction.settled()
    expect(readFileSync(bucket('t'), 'utf8').split('\n').filter(Boolean)).toEqual([
      '#32',
      't\tthere.html',
      't\tin-flight.html',
    ])
    expect(readdirSync(stage.path('.pagekeep/compacting'))).toEqual([])
    expect(fill.publish(page('x'))).toBe('kept')
    expect((await evict(stage.open(), { tag: 't' })).removed).toBe(2)
  })

  it('comes when the log has doubled since the last time, whoever rewrote it', async () => {
    furnish()
    const disk = diskOn()
    const sizes: number[] = []
    const renames = watched((call, [, to]) => {
      if (call === 'rename' && String(to).includes('compacting')) sizes.push(statSync(bucket('t')).size)
    })
    const grow = async (bytes: number) => {
      appendFileSync(bucket('t'), '\n'.repeat(bytes))
      const compaction = new TagCompaction({ ...disk, files: renames }, 30)
      compaction.hasGrown(bucketOf('t'), statSync(bucket('t')).size)
      await compaction.settled()
    }
    await grow(1)
    expect(sizes.length).toBe(1)
    await grow(20)
    expect(sizes.length).toBe(1)
    await grow(20)
    expect(sizes.length).toBe(2)
  })

  it('in a DiskStore keeps the index of a page that is rendered over and over small', async () => {
    const store = stage.open()
    for (const key of ['a.html', 'b.html', 'c.html']) keep(store, key, 'x', ['t'])
    appendFileSync(bucket('t'), '\nt\ta.html\n\nt\tgone.html\n'.repeat(3000))
    keep(store, 'a.html', 'x', ['t'])
    await store.close()
    expect(statSync(bucket('t')).size).toBeLessThan(100)
    expect((await evict(stage.open(), { tag: 't' })).removed).toBe(3)
  })

  it('killed at any system call loses no page, and is finished by the next', async () => {
    const lost = await eachMoment(async (nth, moment) => {
      const fill = furnish()
      const dying = new TagCompaction(diskOn(moment.files), 10)
      moment.kill(nth)
      dying.hasGrown(bucketOf('t'), 10_000)
      await dying.settled()
      const next = new TagCompaction(diskOn(), 10)
      const found = new Set(new TagIndex(diskOn()).keysOf('t'))
      next.adopt()
      await next.settled()
      expect(readdirSync(stage.path('.pagekeep/compacting'))).toEqual([])
      const foundNext = new Set(new TagIndex(diskOn()).keysOf('t'))
      fill.abandon()
      return ['there.html', 'in-flight.html'].some((key) => !found.has(key) || !foundNext.has(key))
    })
    expect(lost).toEqual([])
  })

  it('at any of its system calls hides no page from an evictor', async () => {
    const hidden = await eachMoment(async (nth, moment) => {
      const fill = furnish()
      let found = new Set<string>()
      const compaction = new TagCompaction(diskOn(moment.files), 10)
      moment.preempt(nth, () => {
        found = new Set(new TagIndex(diskOn()).keysOf('t'))
      })
      compaction.hasGrown(bucketOf('t'), 10_000)
      await compaction.settled()
      fill.abandon()
      return moment.hasCome && !(found.has('there.html') && found.has('in-flight.html'))
    })
    expect(hidden).toEqual([])
  })

  it('that runs wholly between two system calls of an evictor hides no page from it', async () => {
    const disk = diskOn()
    const hidden = await eachMoment(async (nth, moment) => {
      const fill = furnish()
      let compacted = Promise.resolve()
      moment.preempt(nth, () => {
        const compaction = new TagCompaction(disk, 10)
        compaction.hasGrown(bucketOf('t'), 10_000)
        compacted = compaction.settled()
      })
      const found = new Set(new TagIndex(diskOn(moment.files)).keysOf('t'))
      await compacted
      fill.abandon()
      return !(found.has('there.html') && found.has('in-flight.html'))
    })
    expect(hidden).toEqual([])
  })

  it('at any of its system calls loses no page that is published there', async () => {
    const lost = await eachMoment(async (nth, moment) => {
      const fill = furnish()
      const compaction = new TagCompaction(diskOn(moment.files), 10)
      moment.preempt(nth, () => void fill.publish(page('x', ['t'])))
      compaction.hasGrown(bucketOf('t'), 10_000)
      await compaction.settled()
      if (!moment.hasCome) fill.publish(page('x', ['t']))
      return ![...new TagIndex(diskOn()).keysOf('t')].includes('in-flight.html')
    })
    expect(lost).toEqual([])
  })

  it('twin: one that asks for the page before the token loses a page', async () => {
    const rewrite = (files: typeof systemFiles, layout: Layout) => {
      const isThere = files.lstat(layout.page('in-flight.html')) !== undefined
      const isInFlight = files.names(layout.leases).some((name) => name.startsWith('in-flight.html~'))
      return isThere || isInFlight
    }
    const lost = await eachMoment(async (nth, moment) => {
      const disk = diskOn(moment.files)
      systemFiles.lstat(stage.path('in-flight.html')) && systemFiles.unlink(stage.path('in-flight.html'))
      const fill = begin(stage.open(), 'in-flight.html')
      moment.preempt(nth, () => void fill.publish(page('x', ['t'])))
      const isKept = rewrite(disk.files, disk.layout)
      fill.abandon()
      return !isKept
    })
    expect(lost).not.toEqual([])
  })

  it('that fails is a fault in the background, and loses no page', async () => {
    furnish()
    const disk = diskOn(failing('open', 'ENOSPC', `/tags/${bucketOf('t')}`))
    const compaction = new TagCompaction(disk, 10)
    compaction.hasGrown(bucketOf('t'), 10_000)
    await compaction.settled()
    expect(disk.faults.length).toBe(1)
    expect([...new TagIndex(diskOn()).keysOf('t')]).toContain('there.html')
  })
})
