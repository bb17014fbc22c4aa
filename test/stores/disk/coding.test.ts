/** Pages that lie in a content coding: where, as what, under which keys they are found, and what is none. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib'
import { createCache, type PagekeepError } from 'pagekeep'
import type { DiskStoreOptions } from 'pagekeep/stores/disk'
import { describe, expect, it } from 'vitest'
import { encodeBody, maxCodedBytes } from '../../../src/stores/disk/content-coding.js'
import { inspectPage } from '../../../src/stores/disk/inspect.js'
import { measureUsage } from '../../../src/stores/disk/usage.js'
import { heat, hotDisk } from './hot-disk.js'
import { eachMoment } from './preempt.js'
import { begin, evict, keep, keysOf, page, Stage, watched } from './stage.js'

const stage = new Stage()
const coders = {
  gzip: { suffix: '.gz', encode: gzipSync, decode: gunzipSync },
  br: { suffix: '.br', encode: quickly, decode: brotliDecompressSync },
} as const
const long = 'Wört 👍 '.repeat(5000)

for (const [coding, { suffix, encode, decode }] of Object.entries(coders)) {
  const open = (options: Partial<DiskStoreOptions> = {}) =>
    stage.open({ coding: coding as keyof typeof coders, ...options })
  const file = (key: string) => stage.path(`${key}${suffix}`)
  const textOf = (key: string) => decode(readFileSync(file(key))).toString()

  describe(`a page that lies in ${coding}`, () => {
    it('is one file, which anybody can decode, and nothing else', async () => {
      const store = open()
      keep(store, 'daily/2020/01/08.daily.head', '<h1>12 commits</h1>')
      expect(readdirSync(stage.path('daily/2020/01'))).toEqual([`08.daily.head${suffix}`])
      expect(textOf('daily/2020/01/08.daily.head')).toBe('<h1>12 commits</h1>')
      expect(store.get('daily/2020/01/08.daily.head')).toMatchObject({
        body: '<h1>12 commits</h1>',
        encoded: { coding, bytes: readFileSync(file('daily/2020/01/08.daily.head')) },
      })
      writeFileSync(file('by-hand.html'), encode('by hand'))
      expect(store.get('by-hand.html')?.body).toBe('by hand')
    })

    it('has a record as any other: bytes, an end, metadata, nothing in it', () => {
      const store = open()
      const more = { renderBeganAtMs: 1, expiresAtMs: 2, renderMs: 3, metadata: 'status: 404' }
      begin(store, 'a.png').publish(page(Uint8Array.of(1, 255), [], more))
      expect(store.get('a.png')).toMatchObject({ body: Buffer.of(1, 255), ...more })
      expect(statSync(file('a.png')).mode & 0o100).toBe(0o100)
      expect(readdirSync(stage.path('.pagekeep/meta'))).toEqual(['.a.png'])
      keep(store, 'empty.html', '')
      expect(store.get('empty.html')?.body).toBe('')
    })

    it('has the key that it was kept under, whatever that ends in', async () => {
      const store = open()
      const keys = ['a', `a${suffix}`, `a${suffix}${suffix}`, 'foo', 'foo/bar', `foo/bar${suffix}`, 'zip.gz', 'zip.br']
      for (const key of keys) keep(store, key)
      expect(await keysOf(store)).toEqual([...keys].sort())
      for (const key of keys) expect(store.get(key)?.body).toBe(key)
      expect((await evict(store, `a${suffix}`)).keys).toEqual([`a${suffix}`])
      expect((await evict(store, 'foo')).keys).toEqual(['foo'])
      expect((await evict(store, 'foo/*')).keys).toEqual(expect.arrayContaining(['foo/bar', `foo/bar${suffix}`]))
      expect(await keysOf(store)).toEqual(['a', `a${suffix}${suffix}`, 'zip.br', 'zip.gz'])
    })

    it('is told from a directory of its file name', () => {
      const store = open()
      const messageOf = (key: string) => {
        try {
          begin(store, key).publish(page('x'))
        } catch (thrown) {
          return (thrown as PagekeepError).message
        }
      }
      keep(store, 'page')
      expect(messageOf(`page${suffix}/below`)).toContain('there is a page at "page"')
      keep(store, `dir${suffix}/below`)
      expect(messageOf('dir')).toContain(`there are pages below "dir${suffix}/"`)
    })

    it.each([
      ['its key', 'daily/2020/08.daily.head'],
      ['a pattern that ends in a star', 'daily/2020/08.daily.*'],
      ['a pattern that ends as the key does', 'daily/*/*.daily.head'],
      ['its subtree', 'daily/2020/**'],
      ['a tag', { tag: 'day' }],
      ['everything', '**'],
    ] as const)('is evicted by %s, and named by its key', async (_, selector) => {
      const store = open()
      keep(store, 'daily/2020/08.daily.head', 'x', ['day'])
      expect(await evict(store, selector)).toMatchObject({
        removed: 1,
        keys: ['daily/2020/08.daily.head'],
        failures: [],
      })
      expect(existsSync(file('daily/2020/08.daily.head'))).toBe(false)
    })

    it('takes what is no page with it where everything goes, and counts pages only', async () => {
      const store = open()
      keep(store, 'a/page.html')
      for (const name of ['stray.html', 'a/stray.html', `a/.hidden${suffix}`]) writeFileSync(stage.path(name), 'x')
      symlinkSync('a', stage.path('link'))
      expect(await keysOf(store)).toEqual(['a/page.html'])
      expect(await measureUsage(stage.directory)).toMatchObject({ pages: 1, bytes: statSync(file('a/page.html')).size })
      expect((await evict(store, 'a/*.html', 'stray.html')).keys).toEqual(['a/page.html'])
      keep(store, 'a/page.html')
      expect((await evict(store, '**')).keys).toEqual(['a/page.html'])
      expect(readdirSync(stage.directory).sort()).toEqual(['.pagekeep', 'a'])
      expect(readdirSync(stage.path('a'))).toEqual([`.hidden${suffix}`])
    })

    it('is shown after its eviction, where it was kept so', async () => {
      const store = open()
      for (const [key, selector] of [
        ['a/one.html', 'a/one.html'],
        ['b/two.html', 'b/**'],
      ] as const) {
        begin(store, key).publish(page(`of ${key}`, [], { showEvictedMs: 60_000 }))
        await evict(store, selector)
        expect(existsSync(file(key))).toBe(false)
        expect(store.getEvicted(key)?.page.body).toBe(`of ${key}`)
      }
    })

    it('counts for what it takes on the disk, and goes when its time has come', async () => {
      const store = open({ maxFiles: 10 })
      for (let nth = 0; nth < 100; nth++) keep(store, `pages/${nth}.html`, long.slice(0, 3000))
      await store.close()
      expect((await measureUsage(stage.directory)).pages).toBeLessThanOrEqual(11)
    })

    it('is found by a limit that comes later', async () => {
      const without = open()
      for (let nth = 0; nth < 20; nth++) keep(without, `pages/${nth}.html`, 'x')
      await without.close()
      const store = open({ maxFiles: 10 })
      for (let nth = 20; nth < 30; nth++) keep(store, `pages/${nth}.html`, 'x')
      await store.close()
      expect((await measureUsage(stage.directory)).pages).toBeLessThanOrEqual(11)
    })

    it('is a hit from memory like any other: one lstat', () => {
      const disk = hotDisk()
      const calls: string[] = []
      const store = open({ files: watched((call) => calls.push(call), disk.files) })
      keep(store, 'a.html', 'Wört')
      heat(store, disk, 'a.html')
      calls.length = 0
      expect(store.get('a.html')?.body).toBe('Wört')
      expect(calls).toEqual(['lstat'])
    })

    it('is looked at from outside by its key', () => {
      const store = open()
      keep(store, 'a/b.html', 'x', ['t'])
      expect(inspectPage(stage.directory, 'a/b.html')).toMatchObject({
        key: 'a/b.html',
        path: file('a/b.html'),
        tags: ['t'],
      })
      expect(inspectPage(stage.directory, `a/b.html${suffix}`)).toBeUndefined()
    })
  })

  describe(`a long page that is to lie in ${coding}`, () => {
    it('is coded on a thread, and read whole: of text and of bytes, at once and with a promise', async () => {
      const store = open({ hotBytes: 0 })
      for (const body of [long, Buffer.from(long), long.repeat(10)]) {
        const kept = begin(store, 'long.html').publish(page(body))
        expect(kept).toBeInstanceOf(Promise)
        expect(await kept).toBe('kept')
        const { body: read } = (await store.get('long.html')) ?? {}
        expect(Buffer.from(read as string).equals(Buffer.from(body as string))).toBe(true)
        expect(typeof read).toBe(typeof body)
      }
      expect(store.get('long.html')).toBeInstanceOf(Promise)
    })

    it('is not kept when an eviction comes meanwhile, and leaves nothing', async () => {
      const store = open()
      const kept = begin(store, 'long.html').publish(page(long))
      await evict(stage.open(), 'long.html')
      expect(await kept).toBe('doomed')
      const other = begin(store, 'long.html').publish(page(long))
      await store.close()
      expect(await other).toBe('doomed')
      expect(await keysOf(stage.open())).toEqual([])
      expect(readdirSync(stage.path(`.pagekeep/leases${suffix}`))).toEqual([])
    })

    it('is kept as it was handed over, though its buffer is used again', async () => {
      const store = open()
      const buffer = Buffer.from(long)
      const kept = begin(store, 'long.bin').publish(page(buffer))
      buffer.fill(0)
      await kept
      const { body = '' } = (await store.get('long.bin')) ?? {}
      expect(Buffer.from(body as Buffer).equals(Buffer.from(long))).toBe(true)
    })

    it('is answered and not kept where it is longer than any page may be', async () => {
      const store = open()
      const fill = begin(store, 'endless.bin')
      const endless = { length: maxCodedBytes + 1 } as Uint8Array
      expect(() => encodeBody(coding as 'gzip', endless)).toThrow(RangeError)
      const kept = async () => fill.publish(page(Buffer.alloc(maxCodedBytes + 1)))
      await expect(kept()).rejects.toMatchObject({ code: 'store-failed', key: 'endless.bin' })
      expect(readdirSync(stage.path(`.pagekeep/leases${suffix}`))).toEqual([])
    })
  })

  describe(`a file that is no ${coding}`, () => {
    const damages: Readonly<Record<string, (whole: Buffer) => Buffer>> = {
      'is plain text': () => Buffer.from('plain text'),
      'was cut short': (whole) => whole.subarray(0, whole.length - 3),
      'was cut to its beginning': (whole) => whole.subarray(0, 5),
      'has lost its beginning': (whole) => whole.subarray(4),
      'claims to be longer than any page': () => encode(Buffer.alloc(maxCodedBytes + 1)),
      ...(coding === 'gzip' && {
        'has one bit that is another': (whole: Buffer) => flipped(whole, whole.length >> 1),
        'has another checksum': (whole: Buffer) => flipped(whole, whole.length - 5),
      }),
    }
    for (const [what, damage] of Object.entries(damages)) {
      for (const io of ['sync', 'async'] as const) {
        it(`because it ${what} is a miss and a fault, and is made anew (io: '${io}')`, async () => {
          const store = open({ io })
          const cache = createCache({ store })
          const faults: PagekeepError[] = []
          cache.on('error', (fault) => faults.push(fault))
          await cache.set('page.html', 'The page, as it was kept. '.repeat(20))
          writeFileSync(file('page.html'), damage(readFileSync(file('page.html'))))
          expect(await cache.get('page.html')).toBeUndefined()
          expect(faults).toMatchObject([{ code: 'store-failed', key: 'page.html', store: 'disk' }])
          expect(faults[0]?.message).toContain(file('page.html'))
          expect(await cache.getOrRender('page.html', () => 'anew')).toBe('anew')
          const count = faults.length
          expect(await cache.get('page.html')).toBe('anew')
          expect(faults.length).toBe(count)
        })
      }
    }

    it('is a miss where evicted pages lie, too', async () => {
      const store = open()
      begin(store, 'a.html').publish(page('shown', [], { showEvictedMs: 60_000 }))
      await evict(store, 'a.html')
      const aside = stage.path('.pagekeep/asides/a.html')
      writeFileSync(aside, readFileSync(aside).fill(0))
      expect(store.getEvicted('a.html')).toBeUndefined()
    })
  })

  it(`an eviction at any system call of a publish in ${coding} leaves no page`, async () => {
    const evictor = open()
    const left = await eachMoment(async (nth, moment) => {
      const key = `d${nth}/page.html`
      const store = open({ files: moment.files })
      const fill = begin(store, key)
      let evicting: Promise<unknown> | undefined
      moment.preempt(nth, () => {
        evicting = evict(evictor, key)
      })
      fill.publish(page('old'))
      if (!moment.hasCome) evicting = evict(evictor, key)
      await evicting
      return evictor.get(key) !== undefined || existsSync(file(key))
    })
    expect(left).toEqual([])
  })
}

it('a page is coded before anything of it is on the disk, so that no reader can meet it half coded', () => {
  const calls: string[] = []
  const store = stage.open({ coding: 'gzip', files: watched((call) => calls.push(call)) })
  const fill = begin(store, 'a.html')
  calls.length = 0
  fill.publish(page('x'.repeat(10_000)))
  expect(calls.filter((call) => call === 'write')).toEqual(['write'])
})

it('a page without a coding has none to show, and its file is what it was', () => {
  mkdirSync(stage.directory)
  const store = stage.open({ coding: 'identity' })
  keep(store, 'a.html', 'plain')
  expect(readFileSync(stage.path('a.html'), 'utf8')).toBe('plain')
  expect(store.get('a.html')).not.toHaveProperty('encoded')
  expect(readdirSync(stage.path('.pagekeep'))).toContain('leases')
})

it('a coding that there is not is a RangeError', () => {
  expect(() => stage.open({ coding: 'deflate' as never })).toThrow(
    new RangeError('Expected coding to be one of identity, gzip, br, got deflate'),
  )
})

function quickly(text: string | Buffer): Buffer {
  return brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
