/** Processes that die at any system call: nothing torn, nothing stale, and the next one need not wait. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Busy } from '../../../src/core/store.js'
import { systemFiles } from '../../../src/stores/disk/files.js'
import { Owner } from '../../../src/stores/disk/owner.js'
import { eachMoment } from './preempt.js'
import { begin, evict, keep, keysOf, page, Stage } from './stage.js'

const stage = new Stage()
const bookkeeping = (directory: string) => readdirSync(stage.path('.pagekeep', directory))
/** A token of a process that was killed: no process has this number. */
const deadToken = () => {
  const [, start, place] = new Owner(systemFiles).mint().split('.')
  return `4194999.${start}.${place}.0.0123456789abcdef1`
}

describe('a process killed', () => {
  it('at any system call of a publish leaves the old page or the new one, whole, and no stale one after an eviction', async () => {
    const wrong = await eachMoment(async (nth, moment) => {
      const key = `d${nth}/page.html`
      const survivor = stage.open()
      keep(survivor, key, 'older', ['t'])
      const fill = begin(stage.open({ files: moment.files }), key)
      moment.kill(nth)
      try {
        fill.publish(page('newer', ['t'], nth % 2 === 0 ? { expiresAtMs: 1 } : {}))
      } catch {
        // Killed.
      }
      const body = survivor.get(key)?.body
      const isTorn = body !== 'older' && body !== 'newer' && body !== undefined
      await evict(survivor, nth % 3 === 0 ? { tag: 't' } : key)
      const isStale = survivor.get(key) !== undefined
      // The token of a killed fill is retired by the test's one process, as the death of a real one would.
      const next = survivor.begin(key)
      if (next.kind === 'busy') await next.ended()
      const again = next.kind === 'busy' ? begin(survivor, key) : next
      return isTorn || isStale || again.publish(page('again', ['t'])) !== 'kept'
    })
    expect(wrong).toEqual([])
  })

  it('at any system call of an eviction: repeated, the eviction is done', async () => {
    for (const selector of ['**', 'd/**', 'd/*', { tag: 't' }, 'd/page.html']) {
      const stale = await eachMoment(async (nth, moment) => {
        const survivor = stage.open()
        keep(survivor, 'd/page.html', Uint8Array.of(1), ['t'])
        const fill = begin(survivor, 'd/page.html')
        const dying = stage.open({ files: moment.files })
        dying.get('prepared')
        moment.kill(nth)
        await evict(dying, selector).catch(() => undefined)
        const { failures } = await evict(stage.open(), selector)
        const isKept = fill.publish(page('old', ['t'])) === 'kept'
        return isKept || failures.length > 0 || survivor.get('d/page.html') !== undefined
      })
      expect(stale).toEqual([])
    }
  })
})

describe('a process killed while it clears a directory', () => {
  it('at any system call loses no dotfile: the next process puts it back', async () => {
    let leftovers = 0
    const lost = await eachMoment(async (nth, moment) => {
      const directory = `d${nth}`
      const before = stage.open()
      keep(before, `${directory}/deep/page.html`)
      // Its own cleaning up is over before the others begin.
      await before.close()
      writeFileSync(stage.path(directory, '.htaccess'), 'precious')
      writeFileSync(stage.path(directory, 'deep/.keep'), 'precious')
      const dying = stage.open({ files: moment.files })
      dying.get('prepared')
      moment.kill(nth)
      await evict(dying, `${directory}/**`).catch(() => undefined)
      await dying.close().catch(() => undefined)
      // What the death of a real process would do.
      if (bookkeeping('trash').length > 0) leftovers++
      for (const name of bookkeeping('trash')) new Owner(systemFiles).retire(name.slice(name.indexOf('~') + 1))
      const next = stage.open()
      next.get('first use')
      await next.close()
      const isThere = ['.htaccess', 'deep/.keep'].every((path) => existsSync(stage.path(directory, path)))
      return !isThere || bookkeeping('trash').length > 0
    })
    expect(lost).toEqual([])
    expect(leftovers).toBeGreaterThan(0)
  })
})

describe('what dead processes left', () => {
  it('a lock is taken over when somebody waits for it; the page stays', async () => {
    const store = stage.open()
    keep(store, 'a.html', 'older')
    const token = stage.path('.pagekeep/leases', `a.html~${deadToken()}`)
    writeFileSync(token, 'half a pa')
    systemFiles.link(token, stage.path('.pagekeep/leases/a.html.lock'))
    const busy = store.begin('a.html') as Busy
    expect(busy.kind).toBe('busy')
    await busy.ended()
    expect(bookkeeping('leases')).toEqual([])
    expect(store.get('a.html')?.body).toBe('older')
    keep(store, 'a.html', 'newer')
  })

  it('tokens, locks and drafts are removed on first use, those of the living stay', async () => {
    const living = stage.open()
    const fill = begin(living, 'living.html')
    for (const path of [`leases/a%2fb.html~${deadToken()}`, `temp/${deadToken()}`, 'temp/unknown']) {
      writeFileSync(stage.path('.pagekeep', path), 'half a pa')
    }
    const [token] = bookkeeping('leases').filter((name) => name.startsWith('a%2fb'))
    systemFiles.link(stage.path('.pagekeep/leases', token ?? ''), stage.path('.pagekeep/leases/a%2fb.html.lock'))
    writeFileSync(stage.path('.pagekeep/leases/doomed.html.lock'), '')
    const store = stage.open()
    store.get('first use')
    await store.close()
    expect(bookkeeping('leases').map((name) => name.replace(/~.*/, '~'))).toEqual(['living.html.lock', 'living.html~'])
    expect(bookkeeping('temp')).toEqual([])
    expect(fill.publish(page('x'))).toBe('kept')
  })

  it('trash is deleted on first use, and its dotfiles are put back where they were', async () => {
    stage.open().get('prepared')
    const trash = stage.path('.pagekeep/trash', `news%2fold~${deadToken()}`)
    mkdirSync(`${trash}/deep/.well-known`, { recursive: true })
    for (const path of ['1.html', '.htaccess', 'deep/2.html', 'deep/.well-known/x'])
      writeFileSync(`${trash}/${path}`, path)
    writeFileSync(stage.path('.pagekeep/trash', 'unknown'), 'x')
    mkdirSync(stage.path('.pagekeep/trash', `%m~${deadToken()}`))
    writeFileSync(stage.path('.pagekeep/trash', `%m~${deadToken()}`, '.page'), 'a record')
    const store = stage.open()
    store.get('first use')
    await store.close()
    expect(bookkeeping('trash')).toEqual([])
    expect(readFileSync(stage.path('news/old/.htaccess'), 'utf8')).toBe('.htaccess')
    expect(readFileSync(stage.path('news/old/deep/.well-known/x'), 'utf8')).toBe('deep/.well-known/x')
    expect(existsSync(stage.path('news/old/1.html'))).toBe(false)
    expect(await keysOf(stage.open())).toEqual([])
    expect(stage.faults).toEqual([])
  })
})
