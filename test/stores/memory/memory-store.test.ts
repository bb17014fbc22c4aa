import { describe, expect, test } from 'vitest'
import { isPagekeepError } from '../../../src/core/errors.js'
import { parseSelectors } from '../../../src/core/selector.js'
import type { Busy, Fill, NewPage } from '../../../src/core/store.js'
import { MemoryStore } from '../../../src/stores/memory.js'

const page = (body: NewPage['body'], ...tags: string[]): NewPage => ({
  body,
  tags,
  renderBeganAtMs: 5,
})

function fillOf(store: MemoryStore, key: string, regardless = false): Fill {
  const begun = store.begin(key, { regardless })
  if (begun.kind !== 'fill') throw new Error(`${key} is busy`)
  return begun
}

function keep(store: MemoryStore, key: string, body: NewPage['body'], ...tags: string[]): unknown {
  return fillOf(store, key).publish(page(body, ...tags))
}

async function listed(store: MemoryStore, ...[selector]: Parameters<MemoryStore['keys']>): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.keys(selector)) keys.push(key)
  return keys.sort()
}

describe('MemoryStore', () => {
  test('get() returns text as text and bytes as bytes, synchronously', () => {
    const store = new MemoryStore()
    keep(store, 'a', 'grün')
    fillOf(store, 'b').publish({
      body: Buffer.from([0, 255]),
      tags: [],
      renderBeganAtMs: 7,
      expiresAtMs: 9,
    })
    expect(store.get('a')).toEqual({ body: 'grün', renderBeganAtMs: 5 })
    expect(store.get('b')).toEqual({
      body: new Uint8Array([0, 255]),
      renderBeganAtMs: 7,
      expiresAtMs: 9,
    })
    expect(store.get('c')).toBeUndefined()
  })

  test('publish() copies the bytes, so that the caller may use its buffer again', () => {
    const store = new MemoryStore()
    const buffer = new Uint8Array([1, 2])
    keep(store, 'a', buffer)
    buffer.fill(9)
    expect(store.get('a')?.body).toEqual(new Uint8Array([1, 2]))
  })

  test.each(['a/b', 'a/**', 'a/*', '**'])('evict() of %s dooms the fill and removes the page', (selector) => {
    const store = new MemoryStore()
    keep(store, 'a/b', 'old')
    keep(store, 'x', 'stays unless all goes')
    const fill = fillOf(store, 'a/b')
    const eviction = store.evict(parseSelectors(selector))
    expect(eviction).toMatchObject({ doomed: 1, failures: [] })
    expect(eviction.keys).toContain('a/b')
    expect(store.get('a/b')).toBeUndefined()
    expect(store.get('x') === undefined).toBe(selector === '**')
    expect(fill.state()).toBe('doomed')
    expect(fill.publish(page('old'))).toBe('doomed')
    expect(store.get('a/b')).toBeUndefined()
  })

  test('evict() of a tag removes the pages that carry it and no other', () => {
    const store = new MemoryStore()
    keep(store, 'a', '1', 't', 'u')
    keep(store, 'b', '2', 'u')
    expect(store.evict(parseSelectors({ tag: 't' })).keys).toEqual(['a'])
    expect(store.get('b')?.body).toBe('2')
  })

  test('publish() is doomed by a tag that was evicted since begin, though it is declared only now', () => {
    const store = new MemoryStore()
    const touched = fillOf(store, 'a')
    const untouched = fillOf(store, 'b')
    store.evict(parseSelectors({ tag: 't' }))
    expect(touched.state()).toBe('unsure')
    expect(touched.publish(page('old', 'x', 't'))).toBe('doomed')
    expect(untouched.publish(page('good', 'x'))).toBe('kept')
    expect(keep(store, 'a', 'new', 't')).toBe('kept')
  })

  test('publish() after the end of the fill keeps nothing', () => {
    const store = new MemoryStore()
    const fill = fillOf(store, 'a')
    expect(fill.publish(page('1'))).toBe('kept')
    store.evict(parseSelectors('a'))
    expect(fill.publish(page('1'))).toBe('doomed')
    const given = fillOf(store, 'a')
    given.abandon()
    expect(given.publish(page('1'))).toBe('doomed')
    expect(store.size).toBe(0)
  })

  test('begin() is busy while another fill is under way, and free as soon as that is doomed', async () => {
    const store = new MemoryStore()
    const first = fillOf(store, 'a')
    const busy = store.begin('a') as Busy
    expect(busy.kind).toBe('busy')
    let hasEnded = false
    const ended = busy.ended().then(() => {
      hasEnded = true
    })
    await Promise.resolve()
    expect(hasEnded).toBe(false)
    store.evict(parseSelectors('a'))
    await ended
    const second = fillOf(store, 'a')
    expect(first.publish(page('old'))).toBe('doomed')
    expect(store.begin('a').kind).toBe('busy')
    expect(second.publish(page('new'))).toBe('kept')
    expect(store.begin('a').kind).toBe('fill')
  })

  test('begin({ regardless }) gives fills that are published each on its own', () => {
    const store = new MemoryStore()
    const one = fillOf(store, 'a')
    const two = fillOf(store, 'a', true)
    expect(two.publish(page('2'))).toBe('kept')
    expect(store.begin('a').kind).toBe('busy')
    expect(one.publish(page('1'))).toBe('kept')
    expect(store.get('a')?.body).toBe('1')
  })

  test('begin() refuses a key that is none', () => {
    const store = new MemoryStore()
    expect(() => store.begin('../x')).toThrowError(expect.objectContaining({ code: 'key-invalid' }))
    expect(() => store.begin('../x', { regardless: true })).toThrowError(/cannot be used/)
  })

  test('keys() lists what a selector matches', async () => {
    const store = new MemoryStore()
    keep(store, 'd/1', '', 't')
    keep(store, 'd/2/x', '')
    keep(store, 'e', '', 't')
    expect(await listed(store)).toEqual(['d/1', 'd/2/x', 'e'])
    expect(await listed(store, parseSelectors('d/**')[0])).toEqual(['d/1', 'd/2/x'])
    expect(await listed(store, parseSelectors('d/*')[0])).toEqual(['d/1'])
    expect(await listed(store, parseSelectors({ tag: 't' })[0])).toEqual(['d/1', 'e'])
    expect(await listed(store, parseSelectors('e')[0])).toEqual(['e'])
  })

  test('state keeps texts, and an empty one removes', () => {
    const store = new MemoryStore()
    store.state.write('cursor', '1:2')
    expect(store.state.read('cursor')).toBe('1:2')
    store.state.write('cursor', '')
    expect(store.state.read('cursor')).toBeUndefined()
  })

  test('close() drops the pages and dooms what is in flight', () => {
    const store = new MemoryStore()
    keep(store, 'a', '1')
    const fill = fillOf(store, 'b')
    store.close()
    expect(fill.publish(page('2'))).toBe('doomed')
    expect(store.size).toBe(0)
  })
})

describe('MemoryStore.maxBytes', () => {
  test('MemoryStore() refuses a size that is none', () => {
    for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
      expect(() => new MemoryStore({ maxBytes })).toThrow(RangeError)
    }
  })

  test('publish() drops the page used least recently when bytes run out, and its tags with it', () => {
    const store = new MemoryStore({ maxBytes: 11_000 })
    for (const key of ['a', 'b', 'c', 'd']) keep(store, key, 'x'.repeat(2000), `tag-${key}`)
    expect(store.size).toBe(4)
    store.get('a')
    keep(store, 'e', 'x'.repeat(2000))
    expect(store.get('b')).toBeUndefined()
    expect(store.get('a')).toBeDefined()
    expect(store.bytes).toBeLessThanOrEqual(11_000)
    expect(store.evict(parseSelectors({ tag: 'tag-b' })).removed).toBe(0)
    expect(store.evict(parseSelectors({ tag: 'tag-a' })).removed).toBe(1)
  })

  test('publish() counts UTF-8 bytes, keys and tags', () => {
    const bytesOf = (key: string, ...rest: [NewPage['body'], ...string[]]) => {
      const store = new MemoryStore()
      keep(store, key, ...rest)
      return store.bytes
    }
    const plain = bytesOf('a', 'x')
    expect(bytesOf('a', 'ü') - plain).toBe(1)
    expect(bytesOf('abc', 'x') - plain).toBe(2)
    expect(bytesOf('a', new Uint8Array(1000)) - plain).toBe(999)
    expect(bytesOf('a', 'x', 'tag')).toBeGreaterThan(plain + 3)
  })

  test('publish() of a page over maxBytes says so, keeps what was there, and ends the fill', () => {
    const store = new MemoryStore({ maxBytes: 1000 })
    keep(store, 'a', 'small')
    const fill = fillOf(store, 'a')
    let thrown: unknown
    try {
      fill.publish(page('x'.repeat(1000)))
    } catch (error) {
      thrown = error
    }
    expect(isPagekeepError(thrown, 'store-failed')).toBe(true)
    expect(String(thrown)).toMatch(/1\d\d\d bytes in memory and maxBytes is 1000/)
    expect(store.get('a')?.body).toBe('small')
    expect(store.begin('a').kind).toBe('fill')
  })
})
