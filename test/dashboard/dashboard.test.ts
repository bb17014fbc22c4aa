import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createCache, PagekeepError } from 'pagekeep'
import { createDashboard, type DashboardOptions } from 'pagekeep/dashboard'
import { observe } from 'pagekeep/metrics'
import { MemoryStore } from 'pagekeep/stores/memory'
import { afterEach, describe, expect, it } from 'vitest'

const token = 'a long and secret text'
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

function make(options: Partial<DashboardOptions> = {}) {
  const store = new MemoryStore()
  const cache = createCache({ store })
  const observer = observe({ cache })
  const dashboard = createDashboard({ cache, observer, store, token, ...options })
  ends.push(() => dashboard.close())
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, host: 'site.test', ...(init.headers as object) }
    const answer = await dashboard.fetch(new Request(`http://site.test/pagekeep/${path}`, { ...init, headers }))
    if (answer === undefined) throw new Error('not the dashboard')
    return answer
  }
  return { cache, observer, dashboard, ask }
}

const evicting = (selector: string, headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', 'x-pagekeep': '1', ...headers },
  body: JSON.stringify({ selector }),
})

describe('createDashboard()', () => {
  it('refuses to start unprotected, unless that is said', () => {
    const cache = createCache({ store: new MemoryStore() })
    const observer = observe({ cache })
    expect(() => createDashboard({ cache, observer })).toThrow(/Say token: false/)
    expect(() => createDashboard({ cache, observer, token: '' })).toThrow(TypeError)
    expect(() => createDashboard({ cache, observer, token: 'too short' })).toThrow(/at least 12/)
    createDashboard({ cache, observer, token: false }).close()
  })

  it('refuses what it cannot use', () => {
    const cache = createCache({ store: new MemoryStore() })
    const observer = observe({ cache })
    expect(() => createDashboard({ cache, observer, token, path: 'no slash' })).toThrow(/path/)
    expect(() => createDashboard({ cache, observer, token, refreshMs: 0 })).toThrow(RangeError)
    expect(() => createDashboard({ cache: {} as never, observer, token })).toThrow(/createCache/)
  })

  it('is not the answer to requests elsewhere, and leaves them untouched', async () => {
    const { dashboard } = make()
    expect(await dashboard.fetch(new Request('http://site.test/'))).toBeUndefined()
    expect(await dashboard.fetch(new Request('http://site.test/pagekeeper/'))).toBeUndefined()
  })
})

describe('the token', () => {
  it.each(['', 'state', 'tree', 'events', 'script.js', 'doctor'])('is needed for "%s"', async (place) => {
    const { dashboard } = make()
    const answer = await dashboard.fetch(new Request(`http://site.test/pagekeep/${place}`))
    expect(answer?.status).toBe(401)
    const wrong = { headers: { authorization: 'Bearer a long and secret texT' } }
    expect((await dashboard.fetch(new Request(`http://site.test/pagekeep/${place}`, wrong)))?.status).toBe(401)
  })

  it('becomes a cookie, by the address or the form, which then is enough and is not the token', async () => {
    const { dashboard } = make()
    const shown = await dashboard.fetch(new Request(`http://site.test/pagekeep/?token=${encodeURIComponent(token)}`))
    expect(shown?.status).toBe(303)
    expect(shown?.headers.get('location')).toBe('/pagekeep/')
    const set = shown?.headers.get('set-cookie') ?? ''
    expect(set).toMatch(/HttpOnly; SameSite=Lax$/)
    expect(set).not.toContain(token)
    const cookie = set.split(';')[0] ?? ''
    const page = await dashboard.fetch(
      new Request('http://site.test/pagekeep/', { headers: { cookie: `a=b; ${cookie}` } }),
    )
    expect(page?.status).toBe(200)
    const body = new URLSearchParams({ token })
    const formed = await dashboard.fetch(new Request('http://site.test/pagekeep/sign-in', { method: 'POST', body }))
    expect(formed?.headers.get('set-cookie')).toBe(set)
    const bad = new URLSearchParams({ token: 'another text altogether' })
    const refused = await dashboard.fetch(
      new Request('http://site.test/pagekeep/sign-in', { method: 'POST', body: bad }),
    )
    expect([refused?.status, refused?.headers.get('set-cookie')]).toEqual([401, null])
    const secure = await dashboard.fetch(new Request(`https://site.test/pagekeep/?token=${encodeURIComponent(token)}`))
    expect(secure?.headers.get('set-cookie')).toMatch(/; Secure$/)
  })

  it("may be the app's own answer instead", async () => {
    const cache = createCache({ store: new MemoryStore() })
    const authorize = (request: { headers: unknown }) => (request.headers as Headers).get('x-user') === 'dan'
    const dashboard = createDashboard({ cache, observer: observe({ cache }), authorize: authorize as never })
    ends.push(() => dashboard.close())
    const as = (user: string) =>
      dashboard.fetch(new Request('http://site.test/pagekeep/state', { headers: { 'x-user': user } }))
    expect((await as('dan'))?.status).toBe(200)
    expect((await as('eve'))?.status).toBe(403)
  })
})

describe('evicting', () => {
  it('is refused while it is read-only', async () => {
    const { cache, ask } = make()
    await cache.getOrRender('a', () => 'a')
    expect((await ask('evict', evicting('a'))).status).toBe(403)
    expect(await cache.get('a')).toBe('a')
  })

  it.each([
    ['a key', 'a/b.html', ['a/b.html']],
    ['a subtree', 'a/**', ['a/b.html']],
    ['a tag', 'tag:port:1', ['c.html']],
  ])('%s removes it, and tells what was removed', async (_, selector, keys) => {
    const { cache, ask } = make({ allowEvict: true })
    await cache.getOrRender('a/b.html', () => 'b')
    await cache.getOrRender('c.html', (context) => {
      context.tag('port:1')
      return 'c'
    })
    const answer = await ask('evict', evicting(selector))
    expect([answer.status, await answer.json()]).toEqual([200, { removed: 1, keys, doomed: 0 }])
    expect(await cache.get(keys[0] ?? '')).toBeUndefined()
  })

  it.each([
    ['another site, by Fetch Metadata', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['another origin', { origin: 'https://evil.test' }],
    ['an opaque origin', { origin: 'null' }],
    ['a plain form', { 'x-pagekeep': '' }],
    ['a form that looks like JSON', { 'content-type': 'text/plain' }],
  ])('from %s is refused', async (_, headers) => {
    const { cache, ask } = make({ allowEvict: true })
    await cache.getOrRender('a', () => 'a')
    expect((await ask('evict', evicting('a', headers))).status).toBe(403)
    expect(await cache.get('a')).toBe('a')
    const own = { 'sec-fetch-site': 'same-origin', origin: 'http://site.test' }
    expect((await ask('evict', evicting('a', own))).status, 'control: from its own page').toBe(200)
  })

  it('what is no selector is told, and evicts nothing', async () => {
    const { ask } = make({ allowEvict: true })
    const answer = await ask('evict', evicting('../etc'))
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: expect.stringContaining('cannot be used') })
    expect((await ask('evict', { ...evicting(''), body: 'nonsense' })).status).toBe(400)
  })
})

describe('what it serves', () => {
  it('is under 100 KB in all, with a strict policy and nothing from elsewhere', async () => {
    const { ask } = make()
    let bytes = 0
    for (const place of ['', 'script.js', 'style.css']) {
      const answer = await ask(place)
      const body = await answer.text()
      bytes += Buffer.byteLength(body)
      expect(answer.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self'/,
      )
      expect(answer.headers.get('content-security-policy')).not.toContain('unsafe')
      expect(body.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//)
    }
    expect(bytes).toBeLessThan(100_000)
  })

  it('lists the pages a directory at a time, with sizes, and finds them', async () => {
    const { cache, ask } = make()
    for (const key of ['a/b/1.html', 'a/b/2.html', 'a/c.html', 'd']) await cache.getOrRender(key, () => key)
    const list = async (query: string) => ((await (await ask(`tree${query}`)).json()) as { entries: object[] }).entries
    expect(await list('')).toEqual([
      { name: 'a/', path: 'a', kind: 'directory', pages: 3, bytes: 28 },
      { name: 'd', path: 'd', kind: 'page', pages: 1, bytes: 1 },
    ])
    expect(await list('?directory=a')).toMatchObject([
      { name: 'b/', path: 'a/b', pages: 2 },
      { name: 'c.html', path: 'a/c.html' },
    ])
    expect(await list('?find=HTML')).toHaveLength(3)
    expect(await list('?find=a/*/2.*')).toMatchObject([{ path: 'a/b/2.html' }])
    expect((await ask('tree?directory=..')).status).toBe(400)
  })

  it('shows no more than is bearable, and says that there is more', async () => {
    const { cache, ask } = make()
    for (let at = 0; at < 400; at++) await cache.set(`page-${at}`, 'x')
    const found = (await (await ask('tree')).json()) as { entries: object[]; isCut: boolean }
    expect([found.entries.length, found.isCut]).toEqual([300, true])
  })

  it('tells the state as events, at once after an eviction, until it is closed', async () => {
    const { cache, dashboard, ask } = make({ refreshMs: 3_600_000 })
    const answer = await ask('events')
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let told = ''
    const until = async (text: string) => {
      while (!told.includes(text)) {
        const { done, value } = await reader.read()
        if (done) throw new Error(`It ended before it said ${text}`)
        told += Buffer.from(value).toString()
      }
    }
    await until('"recentEvictions":[]')
    await cache.getOrRender('news.html', () => 'news')
    await cache.evict('news.html')
    await until('"keys":["news.html"]')
    dashboard.close()
    for (let isOver = false; !isOver; ) isOver = (await reader.read()).done
  })

  it('tells faults, dooms, blindness and nodes', async () => {
    const nodes = () => [{ name: 'web-2', state: 'listening', lagSeconds: 1 }]
    const { cache, ask } = make({ nodes, doctor: async () => [{ level: 'ok', subject: 'all', message: 'is well' }] })
    await cache.getOrRender('a', async () => {
      await cache.evict('a')
      return 'a'
    })
    await cache.getOrRender('../a', () => 'a')
    const state = await (await ask('state')).json()
    expect(state).toMatchObject({ nodes: nodes(), isBlind: false, canEvict: false, hasDoctor: true, misses: 1 })
    expect(state).toMatchObject({
      recentDooms: [{ key: 'a' }],
      faults: [{ source: 'cache', code: 'key-invalid', count: 1 }],
    })
    expect(await (await ask('doctor')).json()).toEqual([{ level: 'ok', subject: 'all', message: 'is well' }])
  })

  it('says that the invalidator is silent when it says so itself, or when its sign of life is old', async () => {
    const invalidator = { on: () => () => undefined, status: () => ({ state: 'waiting' }) }
    const { ask } = make({ invalidator })
    expect(await (await ask('state')).json()).toMatchObject({ isSilent: true, invalidator: { state: 'waiting' } })
    const other = make()
    expect(await (await other.ask('state')).json()).toMatchObject({ isSilent: false, lagSeconds: null })
    await other.cache.state.write('sign-of-life', String(Date.now() - 60_000))
    expect(await (await other.ask('state')).json()).toMatchObject({ isSilent: true })
  })

  it('tells a doctor or nodes that fail, and goes on', async () => {
    const fails = async () => {
      throw new PagekeepError('database-unreachable', 'The database is away.')
    }
    const { ask } = make({ nodes: fails, doctor: fails })
    expect(await (await ask('state')).json()).toMatchObject({ nodes: [], nodesFailed: true })
    const answer = await ask('doctor')
    expect([answer.status, await answer.json()]).toEqual([500, { error: 'The database is away.' }])
  })
})

describe('mounted', () => {
  async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(listener as never)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ends.push(() => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const headers = { authorization: `Bearer ${token}` }

  it('on node:http, it answers what is its own and says so', async () => {
    const { dashboard } = make({ allowEvict: true })
    const origin = await serve(async (request, response) => {
      if (!(await dashboard(request, response))) response.end('the site')
    })
    expect(await (await fetch(`${origin}/`)).text()).toBe('the site')
    expect((await fetch(`${origin}/pagekeep`, { redirect: 'manual' })).headers.get('location')).toBe('/pagekeep/')
    expect(await (await fetch(`${origin}/pagekeep/`, { headers })).text()).toContain('<main')
    const long = { ...evicting('x'.repeat(20_000)), headers: { ...evicting('').headers, ...headers } }
    expect((await fetch(`${origin}/pagekeep/evict`, long)).status).toBe(400)
  })

  it('in Express, under a path, behind a parser of bodies', async () => {
    const { cache, dashboard } = make({ allowEvict: true, path: '/admin/cache' })
    const app = express()
    app.use(express.json())
    app.use('/admin/cache', dashboard)
    app.use((_request, response) => {
      response.send('the site')
    })
    const origin = await serve(app as never)
    await cache.getOrRender('a', () => 'a')
    expect(await (await fetch(`${origin}/admin/cache/`, { headers })).text()).toContain('<main')
    expect(await (await fetch(`${origin}/elsewhere`)).text()).toBe('the site')
    const init = { ...evicting('a'), headers: { ...evicting('').headers, ...headers } }
    expect(await (await fetch(`${origin}/admin/cache/evict`, init)).json()).toMatchObject({ removed: 1 })
  })
})
