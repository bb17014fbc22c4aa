/** Faults of the file system in odd places: the error says what to do, and nothing is left behind. */
import { readdirSync, rmSync } from 'node:fs'
import { type Files, systemFiles } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { begin, evict, failing, keep, keysOf, page, Stage, systemError, watched } from './stage.js'

const stage = new Stage()
const leases = () => readdirSync(stage.path('.pagekeep/leases'))

describe('publish()', () => {
  it('makes the directory again when an eviction takes it away meanwhile', () => {
    let times = 3
    const files = watched((call, [from, to]) => {
      if (call === 'rename' && String(to).endsWith('/a/b/c.html') && times-- > 0) {
        rmSync(stage.path('a'), { recursive: true, force: true })
      }
      if (call === 'chmod' && String(from).endsWith('/a/b') && times-- > 0) rmSync(String(from), { recursive: true })
    })
    const store = stage.open({ files })
    keep(store, 'a/b/c.html', 'text')
    expect(times).toBeLessThan(0)
    expect(store.get('a/b/c.html')?.body).toBe('text')
  })

  it('gives up when the directory vanishes for ever', () => {
    const files: Files = {
      ...systemFiles,
      mkdir(path, mode) {
        systemFiles.mkdir(path, mode)
        if (path.endsWith('/a')) rmSync(path, { recursive: true })
      },
    }
    const fill = begin(stage.open({ files }), 'a/b.html')
    expect(() => fill.publish(page('x'))).toThrow(/its directory keeps vanishing/)
    expect(leases()).toEqual([])
  })

  for (const [call, path, errno, code] of [
    ['mkdir', '/cache/a', 'EACCES', 'store-unusable'],
    ['mkdir', '/cache/a', 'ENOSPC', 'store-failed'],
    ['rename', '/cache/a/b.html', 'EIO', 'store-failed'],
    ['rename', '/cache/a/b.html', 'ENAMETOOLONG', 'store-failed'],
    ['rename', '/meta/', 'EIO', 'store-failed'],
    ['fchmod', '', 'EPERM', 'store-unusable'],
  ] as const) {
    it(`throws ${code} when ${call} fails with ${errno} for "${path}", and leaves nothing behind`, () => {
      keep(stage.open(), 'other.html')
      const fill = begin(stage.open({ files: failing(call, errno, path) }), 'a/b.html')
      expect(() => fill.publish(page('x', [], { expiresAtMs: 1 }))).toThrow(
        expect.objectContaining({ code, store: 'disk' }),
      )
      expect(leases()).toEqual([])
      expect(readdirSync(stage.path('.pagekeep/temp'))).toEqual([])
      expect(stage.open().get('a/b.html')).toBeUndefined()
    })
  }

  it('leaves no record of a page that was doomed after the record was written', async () => {
    let evicted: Promise<unknown> | undefined
    const evictor = stage.open()
    const files = watched((call, [, to]) => {
      if (call === 'rename' && String(to).endsWith('/cache/a.html')) evicted = evict(evictor, 'other.html', '**')
    })
    const fill = begin(stage.open({ files }), 'a.html')
    expect(fill.publish(page(Uint8Array.of(1)))).toBe('doomed')
    await evicted
    await evictor.close()
    expect(await keysOf(stage.open())).toEqual([])
    expect(() => readdirSync(stage.path('.pagekeep/meta'))).toThrow(/ENOENT/)
  })
})

describe('other calls', () => {
  it('begin() throws what is wrong with the disk, and leaves no lock', () => {
    const store = stage.open({ files: failing('link', 'EMFILE', 'a.html') })
    expect(() => store.begin('a.html')).toThrow(expect.objectContaining({ code: 'store-failed', key: 'a.html' }))
    expect(leases()).toEqual([])
  })

  it('begin() makes the directory again only once', () => {
    const files: Files = {
      ...systemFiles,
      open(path, flags, mode) {
        if (path.includes('a.html~')) throw systemError('ENOENT')
        return systemFiles.open(path, flags, mode)
      },
    }
    expect(() => stage.open({ files }).begin('a.html')).toThrow(expect.objectContaining({ code: 'store-failed' }))
  })

  it('get() throws what is wrong with the disk, with its cause', () => {
    keep(stage.open(), 'a.html')
    for (const [call, errno, code] of [
      ['open', 'EACCES', 'store-unusable'],
      ['read', 'EIO', 'store-failed'],
    ] as const) {
      const store = stage.open({ files: failing(call, errno, call === 'open' ? '/cache/a.html' : '') })
      const cause = expect.objectContaining({ code: errno })
      expect(() => store.get('a.html')).toThrow(expect.objectContaining({ code, key: 'a.html', cause }))
    }
  })

  it('state texts that cannot be read or written throw', () => {
    const store = stage.open({ files: failing('text', 'EIO', '/state/') })
    expect(() => store.state.read('cursor')).toThrow(expect.objectContaining({ code: 'store-failed' }))
    const full = stage.open({ files: failing('write', 'ENOSPC') })
    expect(() => full.state.write('cursor', 'x')).toThrow(/disk is full/)
    expect(readdirSync(stage.path('.pagekeep/temp'))).toEqual([])
  })

  it('keys() of a directory that cannot be read rejects', async () => {
    keep(stage.open(), 'a/b.html')
    const store = stage.open({ files: failing('list', 'EACCES', '/a') })
    await expect(keysOf(store)).rejects.toMatchObject({ code: 'store-unusable' })
  })

  it('what cannot be cleaned up in the background is a fault, told by onFault', async () => {
    stage.open().get('prepared')
    const store = stage.open({ files: failing('names', 'EIO', '/leases') })
    store.get('first use')
    await store.close()
    expect(stage.faults.map(({ code }) => code)).toEqual(['store-failed'])
  })

  it('what cannot be deleted from the trash is a fault, and the eviction is done all the same', async () => {
    keep(stage.open(), 'a/b.html')
    const store = stage.open({ files: failing('rmdir', 'EIO') })
    expect((await evict(store, 'a/**')).failures).toEqual([])
    await store.close()
    expect(stage.faults.map(({ message }) => message)).toEqual([expect.stringMatching(/holds evicted pages/)])
  })
})
