/** Texts that are asked for as their bytes, and for what they are. */
import { describe, expect, it } from 'vitest'
import { heat, hotDisk, longMs } from './hot-disk.js'
import { begin, keep, page, Stage } from './stage.js'

const stage = new Stage()
const text = 'Wört 日本 '
const asBytes = { asBytes: true }
const large = text.repeat(40_000)

/** A store with a large page in memory, in bytes. */
async function withLargeInMemory() {
  const disk = hotDisk()
  const store = stage.open({ files: disk.files })
  keep(store, 'large.html', large)
  await store.get('large.html', asBytes)
  disk.nowMs += longMs
  await store.get('large.html', asBytes)
  return { disk, store }
}

describe('get() with asBytes', () => {
  for (const [what, options] of Object.entries({
    'a plain page': {},
    'a page on a slow disk': { io: 'async' },
    'a page in a coding': { coding: 'gzip' },
  } as const)) {
    it(`returns the bytes of ${what}, and all else that is known of it`, async () => {
      const store = stage.open(options)
      keep(store, 'plain.html', text)
      const more = { renderBeganAtMs: 1, expiresAtMs: 2, renderMs: 3, metadata: 'status: 404' }
      begin(store, 'described.html').publish(page(text, [], more))
      for (const key of ['plain.html', 'described.html']) {
        const kept = await store.get(key)
        expect(kept?.body).toBe(text)
        expect(await store.get(key, asBytes)).toEqual({ ...kept, body: Buffer.from(text) })
      }
    })
  }

  it('returns the bytes of a page that is read on a thread of the pool', async () => {
    const store = stage.open()
    keep(store, 'large.html', large)
    expect((await store.get('large.html', asBytes))?.body).toEqual(Buffer.from(large))
    expect((await store.get('large.html'))?.body).toBe(large)
  })

  it('keeps bytes in memory, of which who wants text makes text once', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html', text)
    store.get('a.html', asBytes)
    disk.nowMs += longMs
    const hot = store.get('a.html', asBytes)
    const { opened } = disk
    expect(store.get('a.html', asBytes)).toBe(hot)
    expect(hot?.body).toEqual(Buffer.from(text))
    const asText = store.get('a.html')
    expect(asText?.body).toBe(text)
    expect(store.get('a.html')).toBe(asText)
    expect(disk.opened).toBe(opened)
  })

  it('makes text of a large page in memory in slices', async () => {
    const { disk, store } = await withLargeInMemory()
    const { opened } = disk
    expect((await store.get('large.html'))?.body).toBe(large)
    expect(disk.opened).toBe(opened)
  })

  it('gives text that is in memory as text', () => {
    const disk = hotDisk()
    const store = stage.open({ files: disk.files })
    keep(store, 'a.html', text)
    const hot = heat(store, disk, 'a.html')
    expect(store.get('a.html', asBytes)).toBe(hot)
  })

  it('shows no page that was replaced while its text was made', async () => {
    const { store } = await withLargeInMemory()
    const early = store.get('large.html')
    keep(store, 'large.html', `new ${large}`)
    expect((await early)?.body).toBe(large)
    expect((await store.get('large.html'))?.body).toBe(`new ${large}`)
  })
})
