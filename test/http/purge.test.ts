import { createCache, type EvictionTarget, PagekeepError } from 'pagekeep'
import { createPurge, createPurgeListener } from 'pagekeep/http'
import { MemoryStore } from 'pagekeep/stores/memory'
import { describe, expect, it } from 'vitest'
import { get, serve } from './serve.js'

const token = 'a token of good length'
const authorization = `Bearer ${token}`

async function setUp() {
  const cache = createCache({ store: new MemoryStore() })
  for (const key of ['a/index.html', 'a/index.html@page=2', 'b/index.html', 'c/x.html']) {
    await cache.set(key, key, { tags: [`tag:${key[0]}`] })
  }
  const keys = async () => {
    const found: string[] = []
    for await (const key of cache.keys()) found.push(key)
    return found.sort()
  }
  return { cache, keys }
}

describe('createPurgeListener()', () => {
  it('evicts keys, subtrees and tags for who has the token', async () => {
    const { cache, keys } = await setUp()
    const url = await serve(createPurgeListener({ target: cache, token }))
    const body = JSON.stringify({ selectors: ['b/index.html', 'c/**'], tags: ['tag:a'] })
    const got = await get(url, { method: 'POST', body, headers: { authorization } })
    expect([got.status, JSON.parse(got.body)]).toEqual([200, { removed: 4, doomed: 0 }])
    expect(got.headers['cache-control']).toBe('no-store')
    expect(await keys()).toEqual([])
  })

  it('evicts the page of a URL with its variants', async () => {
    const { cache, keys } = await setUp()
    const url = await serve(createPurgeListener({ target: cache, token, keys: { hosts: 'any' } }))
    expect((await get(`${url}/a/`, { method: 'PURGE', headers: { authorization } })).status).toBe(200)
    expect(await keys()).toEqual(['b/index.html', 'c/x.html'])
  })

  it.each<[string, Record<string, string>]>([
    ['no token', {}],
    ['another token', { authorization: 'Bearer another token' }],
    ['a longer one', { authorization: `${authorization}x` }],
    ['the token without its scheme', { authorization: token }],
  ])('refuses %s, before it looks at anything else', async (_, headers) => {
    const { cache, keys } = await setUp()
    const url = await serve(createPurgeListener({ target: cache, token }))
    const got = await get(url, { method: 'POST', body: 'no JSON', headers })
    expect([got.status, got.headers['www-authenticate']]).toEqual([401, 'Bearer'])
    expect((await keys()).length).toBe(4)
  })

  it.each<[string, string, number]>([
    ['POST', 'no JSON', 400],
    ['POST', '{}', 400],
    ['POST', '{"selectors":"a"}', 400],
    ['POST', '{"selectors":[1]}', 400],
    ['POST', '{"selectors":["../x"]}', 400],
    ['POST', '{"tags":[""]}', 400],
    ['POST', `{"tags":["${'x'.repeat(300_000)}"]}`, 413],
    ['GET', '', 405],
    ['PURGE', '', 405],
  ])('answers %s of %j with %i', async (method, body, status) => {
    const { cache, keys } = await setUp()
    const url = await serve(createPurgeListener({ target: cache, token }))
    expect((await get(url, { method, body, headers: { authorization } })).status).toBe(status)
    expect((await keys()).length).toBe(4)
  })

  it('answers 503 for an eviction that failed', async () => {
    const target: EvictionTarget = {
      evict: () => Promise.reject(new PagekeepError('evict-failed', 'the disk is gone')),
    }
    const purge = createPurge({ target, token })
    const body = '{"tags":["a"]}'
    expect(await purge({ method: 'POST', url: '/', headers: { authorization }, body })).toEqual({
      status: 503,
      body: { error: 'the disk is gone' },
    })
  })
})

describe('createPurge()', () => {
  it.each(['', 'short', undefined])('refuses the token %j', (short) => {
    expect(() => createPurge({ target: createCache({ store: new MemoryStore() }), token: short as string })).toThrow(
      RangeError,
    )
  })
})
