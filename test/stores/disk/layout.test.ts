/** Pages are plain files at the places their keys name. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { route } from 'pagekeep'
import { describe, expect, it } from 'vitest'
import { begin, evict, keep, keysOf, page, Stage } from './stage.js'

const stage = new Stage()

describe('the layout', () => {
  it('publish() writes the page at its key, as plain text with mode 0644', () => {
    const key = route('daily/{date:YYYY/MM/DD}.daily.{branch}').key({ date: '2020-01-08', branch: 'head' })
    keep(stage.open(), key, '<h1>8 January</h1>\n')
    const path = stage.path('daily/2020/01/08.daily.head')
    expect(readFileSync(path, 'utf8')).toBe('<h1>8 January</h1>\n')
    expect(statSync(path).mode & 0o7777).toBe(0o644)
  })

  it('a page without expiry has no metadata beside it', () => {
    keep(stage.open(), 'a/b.html', 'text')
    expect(existsSync(stage.path('.pagekeep/meta'))).toBe(false)
  })

  it('fileMode and directoryMode hold whatever the umask is', () => {
    const before = process.umask(0o077)
    try {
      const store = stage.open({ fileMode: 0o664, directoryMode: 0o775 })
      keep(store, 'a/b/c.html', 'text', ['tag'])
      const modeOf = (...path: string[]) => statSync(stage.path(...path)).mode & 0o777
      expect(modeOf('a/b/c.html')).toBe(0o664)
      expect([modeOf(''), modeOf('a'), modeOf('a/b'), modeOf('.pagekeep/leases')]).toEqual([0o775, 0o775, 0o775, 0o775])
      expect(modeOf('.pagekeep/evictlog')).toBe(0o664)
      const [bucket] = readdirSync(stage.path('.pagekeep/tags'))
      expect(modeOf('.pagekeep/tags', bucket ?? '')).toBe(0o664)
    } finally {
      process.umask(before)
    }
  })

  it('a fill that has ended leaves nothing in leases, temp or trash', async () => {
    const store = stage.open()
    keep(store, 'kept.html')
    begin(store, 'abandoned.html').abandon()
    const doomed = begin(store, 'doomed.html')
    await evict(store, 'doomed.html')
    expect(doomed.publish(page('old', [], { expiresAtMs: 1 }))).toBe('doomed')
    await store.close()
    for (const directory of ['leases', 'temp', 'trash', 'compacting']) {
      expect(readdirSync(stage.path('.pagekeep', directory))).toEqual([])
    }
  })

  it('the directory does not exist until it is used, and is made with what is above it', async () => {
    const store = stage.open({ directory: stage.path('deep/er') })
    expect(existsSync(stage.directory)).toBe(false)
    expect(store.get('page.html')).toBeUndefined()
    expect(existsSync(stage.path('deep/er/.pagekeep'))).toBe(true)
  })

  it('removing a page by hand, or the whole directory, is safe at any time', async () => {
    const store = stage.open()
    keep(store, 'a/b.html', 'one', ['tag'])
    rmSync(stage.path('a/b.html'))
    expect(store.get('a/b.html')).toBeUndefined()
    keep(store, 'a/b.html', 'two', ['tag'])
    const fill = begin(store, 'c.html')
    rmSync(stage.directory, { recursive: true })
    expect(fill.publish(page('old'))).toBe('doomed')
    expect(store.get('a/b.html')).toBeUndefined()
    keep(store, 'a/b.html', 'three', ['tag'])
    rmSync(stage.directory, { recursive: true })
    expect((await evict(store, { tag: 'tag' }, 'a/b.html')).failures).toEqual([])
    rmSync(stage.directory, { recursive: true })
    store.state.write('cursor', '1')
    expect(store.state.read('cursor')).toBe('1')
  })

  it('a file put there by hand is a page; a directory, a named pipe or an executable file is none', () => {
    const store = stage.open()
    expect(store.get('by/hand.html')).toBeUndefined()
    mkdirSync(dirname(stage.path('by/hand.html')), { recursive: true })
    writeFileSync(stage.path('by/hand.html'), 'by hand')
    expect(store.get('by/hand.html')?.body).toBe('by hand')
    expect(store.get('by')).toBeUndefined()
    expect(store.get('by/hand.html/below')).toBeUndefined()
    chmodSync(stage.path('by/hand.html'), 0o755)
    expect(store.get('by/hand.html')).toBeUndefined()
  })

  it('keys() gives no dotfiles and no names that are not keys', async () => {
    const store = stage.open()
    keep(store, 'a/b.html')
    writeFileSync(stage.path('a/.htaccess'), 'x')
    writeFileSync(stage.path('a/star*'), 'x')
    expect(await keysOf(store)).toEqual(['a/b.html'])
    expect(await keysOf(store, 'a/*')).toEqual(['a/b.html'])
    expect(await keysOf(store, 'a/b.html')).toEqual(['a/b.html'])
    expect(await keysOf(store, 'a/c.html')).toEqual([])
  })

  it('state texts are files, replaced atomically; a name with other than a-z, 0-9 and "-" is refused', () => {
    const store = stage.open()
    store.state.write('cursor', '10:20:')
    expect(readFileSync(stage.path('.pagekeep/state/cursor'), 'utf8')).toBe('10:20:')
    store.state.write('cursor', '')
    expect(existsSync(stage.path('.pagekeep/state/cursor'))).toBe(false)
    store.state.write('cursor', '')
    for (const name of ['', '../x', 'A', 'a/b', '.a']) expect(() => store.state.write(name, 'x')).toThrow(TypeError)
  })
})
