import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv-v6'
import type { Store } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { asKeyv } from 'pagekeep/stores/keyv'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import * as vitest from 'vitest'
import { afterAll, describe, expect, test } from 'vitest'
import { fromPath, toPath } from '../../../src/stores/keyv/as-keyv-key.js'

const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-as-keyv-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const stores: Record<string, () => Store> = {
  MemoryStore: () => new MemoryStore(),
  DiskStore: () => new DiskStore({ directory }),
}

describe.each(Object.entries(stores))('asKeyv(%s)', (_name, make) => {
  const store = make()
  const adapter = asKeyv(store)
  afterAll(() => adapter.disconnect())

  describe('passes @keyv/test-suite', () => {
    keyvTestSuite(vitest, Keyv, () => asKeyv(store))
    keyvIteratorTests(vitest, Keyv, () => asKeyv(store))
  })

  test.each(['Keyv 5', 'Keyv 6'])('get() after set() gives any value under any key back, in %s', async (version) => {
    await adapter.clear()
    const keyv: Keyv =
      version === 'Keyv 5'
        ? new Keyv(asKeyv(store))
        : (new Keyv6({ store: asKeyv(store), namespace: 'some' }) as unknown as Keyv)
    const keys = ['a', 'a/b', '../x', 'A', '.', '~', '~e', ':', 'a:b:c', 'é👍', '*', '%41', 'x'.repeat(300)]
    for (const key of keys) await keyv.set(key, { key, bytes: Buffer.from([1, 2]) })
    for (const key of keys) expect(await keyv.get(key)).toEqual({ key, bytes: Buffer.from([1, 2]) })
    expect(await keyv.getMany(['a', 'not', '~'])).toMatchObject([{ key: 'a' }, undefined, { key: '~' }])
    const listed: string[] = []
    for await (const [key] of keyv.iterator?.(undefined) ?? []) listed.push(key as string)
    expect(listed.sort()).toEqual(keys.sort())
    expect(await keyv.has('a')).toBe(true)
    expect(await keyv.delete('a')).toBe(true)
    expect(await keyv.delete('a')).toBe(false)
    expect(await keyv.deleteMany(['A', '*'])).toBeTruthy()
    expect(await keyv.hasMany(['a', 'A', '~'])).toEqual([false, false, true])
    await keyv.clear()
    expect(await keyv.get('~')).toBeUndefined()
  })

  test('clear() in Keyv 6 leaves other namespaces alone', async () => {
    const one = new Keyv6({ store: asKeyv(store), namespace: 'one' })
    const two = new Keyv6({ store: asKeyv(store), namespace: 'two' })
    await one.set('k', 1)
    await two.set('k', 2)
    await one.clear()
    expect([await one.get('k'), await two.get('k')]).toEqual([undefined, 2])
  })

  test.each(['text', '', '\u0000json:1', 'lone \ud800', { value: [1, null] }, Buffer.from([0, 255])])(
    'get() gives %j back without a serializer',
    async (value) => {
      await adapter.set('raw', value)
      expect(await adapter.get('raw')).toEqual(value)
    },
  )

  test('setMany() and hasMany() take many', async () => {
    await adapter.clear()
    expect(
      await adapter.setMany([
        { key: 'a', value: '1' },
        { key: 'b', value: '2', ttl: 1000 },
      ]),
    ).toEqual([true, true])
    expect(await adapter.hasMany(['a', 'b', 'c'])).toEqual([true, true, false])
  })
})

describe('asKeyv()', () => {
  test('get() and iterator() forget a value when its ttl is over, by the clock', async () => {
    const clock = new FakeClock()
    const adapter = asKeyv(new MemoryStore(), { clock })
    await adapter.set('k', 'v', 1000)
    await adapter.set('zero', 'v', 0)
    clock.advance(999)
    expect(await adapter.get('k')).toBe('v')
    clock.advance(1)
    expect(await adapter.get('k')).toBeUndefined()
    const listed: string[] = []
    for await (const [key] of adapter.iterator()) listed.push(key)
    expect(listed).toEqual(['zero'])
  })

  test('clear() leaves pages outside its directory alone', async () => {
    const store = new MemoryStore()
    const fill = store.begin('page.html')
    if (fill.kind === 'fill') await fill.publish({ body: 'page', tags: [], renderBeganAtMs: 1 })
    const adapter = asKeyv(store)
    await adapter.set('k', 'v')
    await adapter.clear()
    expect(store.size).toBe(1)
    expect(store.get('page.html')?.body).toBe('page')
  })

  test('clear() of a namespace with a colon removes its keys only', async () => {
    const adapter = asKeyv(new MemoryStore())
    await adapter.setMany([
      { key: 'a:b:1', value: '1' },
      { key: 'a:2', value: '2' },
    ])
    adapter.namespace = 'a:b'
    await adapter.clear()
    expect(await adapter.getMany(['a:b:1', 'a:2'])).toEqual([undefined, '2'])
  })

  test('asKeyv() refuses what is no plain directory and a store that cannot list', () => {
    expect(() => asKeyv(new MemoryStore(), { directory: 'a*' })).toThrow(TypeError)
    expect(() => asKeyv(new MemoryStore(), { directory: '../a' })).toThrow(/cannot be used/)
    expect(() => asKeyv({} as never)).toThrow(TypeError)
  })

  test('delete() throws when the store could not remove', async () => {
    const store = new MemoryStore()
    const [selector] = [{ kind: 'key', key: 'x', text: 'x' } as const]
    store.evict = () => ({ removed: 0, keys: [], doomed: 0, failures: [{ selector, cause: new Error('broken') }] })
    await expect(asKeyv(store).delete('x')).rejects.toMatchObject({ code: 'store-failed', cause: new Error('broken') })
  })

  test('fromPath() reads back what toPath() wrote', () => {
    for (const key of ['', ':', 'a', 'a:', ':a', 'n:~e', '~-:x', 'x'.repeat(900), `${'y'.repeat(300)}:z`, 'a/b:c/d']) {
      expect(fromPath(toPath(key))).toBe(key)
    }
    expect(fromPath('no/path/of/ours')).toBeUndefined()
    expect(fromPath('%zz/x')).toBeUndefined()
  })
})
