/** Pages with and without records, and files that are not whole pages. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { describe, expect, it } from 'vitest'
import { systemFiles } from '../../../src/stores/disk/files.js'
import { begin, evict, keep, page, Stage, watched } from './stage.js'

const stage = new Stage()
const record = (key: string) => stage.path('.pagekeep/meta', key.replace(/[^/]*$/, '.$&'))

describe('a page with a record', () => {
  it('get() tells text from bytes, and knows when the render began and when the page expires', () => {
    const store = stage.open()
    begin(store, 'a/bytes.png').publish(page(Uint8Array.of(1, 2, 255), [], { renderBeganAtMs: 1000 }))
    begin(store, 'a/text.html').publish(page('text', [], { renderBeganAtMs: 2000, expiresAtMs: 3000 }))
    expect(store.get('a/bytes.png')).toEqual({ body: Buffer.of(1, 2, 255), renderBeganAtMs: 1000 })
    expect(store.get('a/text.html')).toEqual({ body: 'text', renderBeganAtMs: 2000, expiresAtMs: 3000 })
    expect(statSync(stage.path('a/bytes.png')).mode & 0o777).toBe(0o744)
  })

  it('a plain page began, as far as anybody knows, when it was written', () => {
    const store = stage.open()
    keep(store, 'a.html', 'text')
    utimesSync(stage.path('a.html'), 5, 5)
    expect(store.get('a.html')?.renderBeganAtMs).toBe(5000)
  })

  it('a page whose record is missing is a miss', () => {
    const store = stage.open()
    keep(store, 'a.png', Uint8Array.of(1))
    rmSync(record('a.png'))
    expect(store.get('a.png')).toBeUndefined()
  })

  it('a page whose record is damaged is a miss', () => {
    const store = stage.open()
    keep(store, 'a.png', Uint8Array.of(1))
    const good = JSON.parse(readFileSync(record('a.png'), 'utf8'))
    for (const text of ['', '{', 'null', '{}', JSON.stringify({ ...good, isBytes: 1 })]) {
      writeFileSync(record('a.png'), text)
      expect(store.get('a.png')).toBeUndefined()
    }
  })

  it('a page whose record belongs to another inode, size or moment is a miss', () => {
    const store = stage.open()
    keep(store, 'a.png', Uint8Array.of(1, 2, 3))
    const good = readFileSync(record('a.png'), 'utf8')
    for (const field of ['ino', 'size', 'mtimeNs']) {
      writeFileSync(record('a.png'), JSON.stringify({ ...JSON.parse(good), [field]: '1' }))
      expect(store.get('a.png')).toBeUndefined()
    }
    writeFileSync(record('a.png'), good)
    expect(store.get('a.png')).toBeDefined()
  })

  it('a page that was cut, or replaced by a copy of another, is a miss', () => {
    const store = stage.open()
    keep(store, 'a.png', Uint8Array.of(1, 2, 3))
    keep(store, 'b.png', Uint8Array.of(4, 5, 6))
    truncateSync(stage.path('a.png'), 1)
    expect(store.get('a.png')).toBeUndefined()
    rmSync(stage.path('a.png'))
    copyFileSync(stage.path('b.png'), stage.path('a.png'))
    chmodSync(stage.path('a.png'), 0o744)
    expect(store.get('a.png')).toBeUndefined()
  })

  it('an evicted page takes its record along', async () => {
    const store = stage.open()
    keep(store, 'a/b.png', Uint8Array.of(1))
    await evict(store, 'a/b.png')
    expect(existsSync(record('a/b.png'))).toBe(false)
    keep(store, 'a/b.png', Uint8Array.of(1))
    await evict(store, 'a/**')
    expect(existsSync(record('a/b.png'))).toBe(false)
  })

  it('a page that is replaced between its opening and the reading of its record is read again', () => {
    const store = stage.open()
    keep(store, 'a.png', Uint8Array.of(1))
    let isReplaced = false
    const files = watched((call, [path]) => {
      if (call !== 'text' || isReplaced || !String(path).includes('/meta/')) return
      isReplaced = true
      keep(store, 'a.png', Uint8Array.of(2))
    })
    expect(stage.open({ files }).get('a.png')?.body).toEqual(Buffer.of(2))
    expect(isReplaced).toBe(true)
  })

  it('a page "foo" and pages below another "foo/" never share a place for records', async () => {
    const store = stage.open()
    keep(store, 'foo/bar', Uint8Array.of(1))
    await evict(store, 'foo/bar')
    keep(store, 'foo', Uint8Array.of(2))
    expect(store.get('foo')?.body).toEqual(Buffer.of(2))
  })
})

describe('a file that is no whole page', () => {
  it('an empty file without a record is a miss: a loss of power leaves such files', () => {
    const store = stage.open()
    keep(store, 'a.html', 'text')
    truncateSync(stage.path('a.html'), 0)
    expect(store.get('a.html')).toBeUndefined()
  })

  it('a file that is cut while it is read is a miss', () => {
    keep(stage.open(), 'a.html', 'a long text')
    const files = watched((call) => {
      if (call === 'read') truncateSync(stage.path('a.html'), 3)
    })
    expect(stage.open({ files }).get('a.html')).toBeUndefined()
  })

  it('a symbolic link is not followed', () => {
    const store = stage.open()
    keep(store, 'a.html', 'text')
    symlinkSync('/etc/passwd', stage.path('link.html'))
    expect(store.get('link.html')).toBeUndefined()
    keep(store, 'link.html', 'a page')
    expect(store.get('link.html')?.body).toBe('a page')
  })

  it('a named pipe is a miss, and does not make the reader wait', () => {
    const store = stage.open()
    keep(store, 'a.html', 'text')
    execFileSync('mkfifo', [stage.path('pipe.html')])
    expect(store.get('pipe.html')).toBeUndefined()
  })

  it('reads go on until all bytes have come', () => {
    keep(stage.open(), 'a.html', 'a long text')
    const oneByte = {
      ...systemFiles,
      read: (fd: number, into: Uint8Array, at: number) => systemFiles.read(fd, into.subarray(0, 1), at),
    }
    expect(stage.open({ files: oneByte }).get('a.html')?.body).toBe('a long text')
  })

  it('writes go on until all bytes have gone', () => {
    const oneByte = {
      ...systemFiles,
      write: (fd: number, bytes: Uint8Array) => systemFiles.write(fd, bytes.subarray(0, 1)),
    }
    keep(stage.open({ files: oneByte }), 'a.html', 'a long text')
    expect(readFileSync(stage.path('a.html'), 'utf8')).toBe('a long text')
  })
})
