import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createCache, type PageCache, PagekeepError, systemClock } from 'pagekeep'
import { HttpCache, type HttpCacheOptions, variantsToo } from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { ChaosStore, FakeClock } from 'pagekeep/testing'
import { describe, expect, it, vi } from 'vitest'
import type { KeptPage } from '../../src/core/store.js'
import { ask, header, page, request, Site, text } from './ask.js'

function setUp(options: Partial<HttpCacheOptions> = {}) {
  const clock = new FakeClock(Date.UTC(2020, 0, 8, 12))
  const store = new MemoryStore()
  const cache = createCache({ store, clock })
  return { clock, store, cache, pages: new HttpCache({ cache, clock, hosts: 'any', ...options }) }
}

/** A promise and what settles it. */
function gate<T = void>() {
  let open: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

const keepable = (parts: Parameters<typeof page>[0] = {}) => ({ ...page(), ...parts })

describe('respond()', () => {
  it('answers a kept page without asking the site, with its status, fields and age', async () => {
    const { pages, clock } = setUp()
    const site: Site = new Site({
      status: 200,
      headers: [
        ['Content-Type', 'text/plain'],
        ['X-A', '1'],
        ['X-A', '2'],
      ],
      body: 'kept',
    })
    const first = await ask(pages, site)
    expect(header(first, 'cache-status')).toBe('pagekeep; fwd=uri-miss; stored')
    clock.advance(5000)
    const second = await ask(pages, site)
    expect(site.calls).toBe(1)
    expect(text(second)).toBe('kept')
    expect(second.headers.filter(([name]) => name === 'X-A')).toEqual([
      ['X-A', '1'],
      ['X-A', '2'],
    ])
    expect(header(second, 'age')).toBe('5')
    expect(header(second, 'content-length')).toBe('4')
    expect(header(second, 'cache-status')).toBe('pagekeep; hit')
  })

  it('keeps a redirect as a redirect', async () => {
    const { pages } = setUp()
    const site: Site = new Site({ status: 301, headers: [['Location', '/b/']], body: '' })
    await ask(pages, site)
    const second = await ask(pages, site)
    expect([second.status, header(second, 'location'), site.calls]).toEqual([301, '/b/', 1])
  })

  it('asks the site as for everybody, whatever the visitor has', async () => {
    const { pages } = setUp({ query: ['page'], ignoredQuery: ['utm_source'] })
    const site: Site = new Site()
    await ask(pages, site, { url: '/?utm_source=x&page=2' })
    expect(site.lastCall?.url).toBe('/?page=2')
  })

  it.each<[string, Parameters<typeof request>[0], string]>([
    ['POST', { method: 'POST' }, 'pagekeep; fwd=method'],
    ['Authorization', { headers: { authorization: 'Basic eA==' } }, 'pagekeep; fwd=bypass; detail=authorization'],
    ['a cookie', { headers: { cookie: 'session=1' } }, 'pagekeep; fwd=bypass; detail=cookie'],
    ['a parameter', { url: '/?x=1' }, 'pagekeep; fwd=bypass; detail=query'],
    ['an upgrade', { headers: { upgrade: 'websocket' } }, 'pagekeep; fwd=bypass; detail=upgrade'],
    ['two dots', { url: '/../' }, 'pagekeep; fwd=bypass; detail=path'],
  ])('passes by a request with %s, and creates nothing', async (_, parts, cacheStatus) => {
    const { pages, store } = setUp()
    const site: Site = new Site()
    expect(await pages.respond(request(parts), site.origin)).toMatchObject({ kind: 'pass', cacheStatus })
    expect([store.size, site.calls]).toEqual([0, 0])
  })

  it('answers the conditions of a visitor from the kept page', async () => {
    const { pages } = setUp()
    const modified = 'Wed, 01 Jan 2020 00:00:00 GMT'
    const site: Site = new Site({
      headers: [
        ['ETag', '"a"'],
        ['Last-Modified', modified],
        ['Content-Type', 'text/plain'],
      ],
    })
    await ask(pages, site)
    const matching = await ask(pages, site, { headers: { 'if-none-match': '"x", W/"a"' } })
    expect([matching.status, header(matching, 'etag'), matching.body]).toEqual([304, '"a"', undefined])
    expect(header(matching, 'content-length')).toBeUndefined()
    const status = async (headers: Record<string, string>) => (await ask(pages, site, { headers })).status
    expect(await status({ 'if-none-match': '"b"', 'if-modified-since': modified })).toBe(200)
    expect(await status({ 'if-modified-since': modified })).toBe(304)
    expect(await status({ 'if-modified-since': 'Tue, 31 Dec 2019 23:59:59 GMT' })).toBe(200)
    expect(await status({ 'if-none-match': '*' })).toBe(304)
  })

  it('gives pages an ETag of their bytes, another one when these differ', async () => {
    const { pages, cache } = setUp()
    const site: Site = new Site((call) => page({ body: `${call.url}${site.calls}` }))
    const first = header(await ask(pages, site), 'etag')
    expect(header(await ask(pages, site), 'etag')).toBe(first)
    await cache.evict('index.html')
    expect(header(await ask(pages, site), 'etag')).not.toBe(first)
  })

  it('answers HEAD from the page, and makes it by a GET', async () => {
    const { pages } = setUp()
    const site: Site = new Site({ body: '12345' })
    const head = await ask(pages, site, { method: 'HEAD' })
    expect([head.body, header(head, 'content-length')]).toEqual([undefined, '5'])
    expect(text(await ask(pages, site))).toBe('12345')
    expect(site.calls).toBe(1)
  })

  it.each<[string, number, string, string | undefined]>([
    ['bytes=1-2', 206, '12', 'bytes 1-2/5'],
    ['bytes=3-', 206, '34', 'bytes 3-4/5'],
    ['bytes=-2', 206, '34', 'bytes 3-4/5'],
    ['bytes=0-99', 206, '01234', 'bytes 0-4/5'],
    ['bytes=9-', 416, '', 'bytes */5'],
    ['bytes=2-1', 200, '01234', undefined],
    ['bytes=0-0,2-2', 200, '01234', undefined],
    ['lines=0-1', 200, '01234', undefined],
  ])('answers Range: %s', async (range, status, body, contentRange) => {
    const { pages } = setUp()
    const reply = await ask(pages, new Site({ body: '01234' }), { headers: { range } })
    expect([reply.status, text(reply), header(reply, 'content-range')]).toEqual([status, body, contentRange])
  })

  it('gives a range only of the page that If-Range means', async () => {
    const { pages } = setUp()
    const site: Site = new Site({ body: '01234', headers: [['ETag', '"a"']] })
    const status = async (condition: string) =>
      (await ask(pages, site, { headers: { range: 'bytes=0-0', 'if-range': condition } })).status
    expect([await status('"a"'), await status('"b"'), await status('W/"a"')]).toEqual([206, 200, 200])
  })
})

describe('a page on the disk', () => {
  it('is sent as the bytes of its file, of which no text is made', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
    const cache = createCache({ store: new DiskStore({ directory, hotBytes: 0 }) })
    try {
      const body = 'Straße, 日本 '.repeat(3000)
      for (const plain of [false, true]) {
        const pages = new HttpCache({ cache, hosts: 'any', plain })
        await ask(pages, new Site({ body }))
        const reply = await ask(pages, new Site(() => expect.fail('asked')))
        expect(reply.body).toBeInstanceOf(Uint8Array)
        expect(text(reply)).toBe(body)
        await cache.evict('**')
      }
    } finally {
      await cache.close()
      rmSync(directory, { recursive: true })
    }
  })
})

describe('a page too large for memory', () => {
  it.each([
    ['evicted', 'new', (cache: PageCache) => cache.evict('**')],
    ['replaced', 'newer', (cache: PageCache) => cache.evict('**').then(() => cache.set('index.html', 'newer'))],
  ])('that is %s between its finding and its opening is not sent', async (_, expected, act) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
    const store = new DiskStore({ directory, hotBytes: 0 })
    const cache = createCache({ store })
    try {
      const pages = new HttpCache({ cache, hosts: 'any', plain: true })
      await ask(pages, new Site({ body: 'x'.repeat(2 * 1024 * 1024) }))
      const get = store.get.bind(store)
      const late = vi.spyOn(store, 'get').mockImplementation((...asked) => {
        const page = get(...asked) as KeptPage
        late.mockRestore()
        const { streamed = expect.fail('no stream') } = page
        const open = async (...part: [number, number]) => {
          await act(cache)
          return streamed.open(...part)
        }
        return { ...page, streamed: { ...streamed, open } }
      })
      expect(text(await ask(pages, new Site({ body: 'new' })))).toBe(expected)
    } finally {
      await cache.close()
      rmSync(directory, { recursive: true })
    }
  })
})

describe('a render in flight', () => {
  it('is doomed by an eviction, and says so', async () => {
    const { pages, cache } = setUp()
    const [began, ready] = [gate(), gate()]
    const site: Site = new Site(async () => {
      began.open()
      await ready.promise
      return page({ body: `version ${site.calls}` })
    })
    const asked = ask(pages, site)
    await began.promise
    await cache.evict('index.html')
    ready.open()
    const answered = await asked
    expect(text(answered)).toBe('version 1')
    expect(header(answered, 'cache-status')).toBe('pagekeep; fwd=uri-miss; stored=?0; detail=doomed')
    expect(text(await ask(pages, site))).toBe('version 2')
  })

  it('serves those who come meanwhile', async () => {
    const { pages } = setUp()
    const [began, ready] = [gate(), gate()]
    const site: Site = new Site(async () => {
      began.open()
      await ready.promise
      return page()
    })
    const first = ask(pages, site)
    await began.promise
    const others = [ask(pages, site), ask(pages, site)]
    ready.open()
    const replies = await Promise.all([first, ...others])
    expect(site.calls).toBe(1)
    expect(replies.map((reply) => header(reply, 'cache-status'))).toEqual([
      'pagekeep; fwd=uri-miss; stored',
      'pagekeep; fwd=uri-miss; stored; collapsed',
      'pagekeep; fwd=uri-miss; stored; collapsed',
    ])
  })

  it.each<[string, [string, string]]>([
    ['that sets a cookie', ['Set-Cookie', 'session=first']],
    ['that is private', ['Cache-Control', 'private']],
    ['that is not to be stored', ['Cache-Control', 'no-store']],
    ['that is stale at once', ['Cache-Control', 'max-age=0']],
    ['that varies by what is not allowed', ['Vary', 'User-Agent']],
  ])('gives nobody else an answer %s', async (_, field) => {
    const { pages, store } = setUp()
    const [began, ready] = [gate(), gate()]
    const site: Site = new Site(async () => {
      began.open()
      await ready.promise
      return page({ headers: [field], body: 'for the first' })
    })
    const first = ask(pages, site)
    await began.promise
    const second = pages.respond(request(), site.origin)
    ready.open()
    expect(text(await first)).toBe('for the first')
    expect(header(await first, field[0].toLowerCase())).toBe(field[1])
    expect(await second).toMatchObject({ kind: 'pass' })
    expect(store.size).toBe(0)
  })

  it('shares a page that is only not kept', async () => {
    const { pages } = setUp()
    const [began, ready] = [gate(), gate()]
    const site: Site = new Site(async () => {
      began.open()
      await ready.promise
      return page({ status: 503 })
    })
    const first = ask(pages, site)
    await began.promise
    const second = ask(pages, site)
    ready.open()
    expect([(await first).status, (await second).status, site.calls]).toEqual([503, 503, 1])
  })

  it('rejects everybody with what the site threw', async () => {
    const { pages } = setUp()
    const failure = new Error('no database')
    const site: Site = new Site(() => Promise.reject(failure))
    const outcomes = await Promise.allSettled([ask(pages, site), ask(pages, site)])
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason)).toEqual([failure, failure])
  })
})

describe('a page past its time', () => {
  const [etag, modified]: [string, string][] = [
    ['ETag', '"a"'],
    ['Last-Modified', 'Wed, 01 Jan 2020 00:00:00 GMT'],
  ]

  it('is confirmed by a 304, which renews its fields and its time', async () => {
    const { pages, clock } = setUp()
    const site: Site = new Site(({ validators }) =>
      validators.etag === undefined
        ? page({
            headers: [
              ['Cache-Control', 'max-age=2'],
              ['X', 'old'],
              ['Y', 'stays'],
              etag ?? ['', ''],
              modified ?? ['', ''],
            ],
            body: 'body',
          })
        : page({
            status: 304,
            headers: [
              ['Cache-Control', 'max-age=9'],
              ['X', 'new'],
            ],
            body: '',
          }),
    )
    await ask(pages, site)
    clock.advance(3000)
    const confirmed = await ask(pages, site)
    expect(site.lastCall?.validators).toEqual({ etag: '"a"', lastModified: 'Wed, 01 Jan 2020 00:00:00 GMT' })
    expect([confirmed.status, text(confirmed), header(confirmed, 'x'), header(confirmed, 'y')]).toEqual([
      200,
      'body',
      'new',
      'stays',
    ])
    expect(header(confirmed, 'cache-status')).toBe('pagekeep; fwd=stale; fwd-status=304; stored')
    clock.advance(8000)
    expect(header(await ask(pages, site), 'cache-status')).toBe('pagekeep; hit; ttl=1')
  })

  it('that was confirmed while an eviction came is not kept', async () => {
    const { pages, clock, cache, store } = setUp()
    const site: Site = new Site(async ({ validators }) => {
      if (validators.etag === undefined)
        return page({
          headers: [
            ['Cache-Control', 'max-age=2'],
            ['ETag', '"a"'],
          ],
        })
      await cache.evict('index.html')
      return page({ status: 304, headers: [], body: '' })
    })
    await ask(pages, site)
    clock.advance(3000)
    expect(header(await ask(pages, site), 'cache-status')).toContain('detail=doomed')
    expect(store.size).toBe(0)
  })

  it('is not shown to a visitor who cannot be told', async () => {
    const { pages, clock } = setUp()
    const site: Site = new Site(() =>
      page({
        headers: [['Cache-Control', 'max-age=2, stale-while-revalidate=60, stale-if-error=60']],
        body: `${site.calls}`,
      }),
    )
    await ask(pages, site)
    clock.advance(3000)
    expect(text(await ask(pages, site))).toBe('2')
  })

  it('that may not be shown is asked for once, and its answer given to nobody else', async () => {
    const { pages, clock } = setUp({ staleDirectives: true })
    const [began, ready] = [gate(), gate()]
    const site: Site = new Site(async () => {
      const call = site.calls
      if (call === 1) return page({ headers: [['Cache-Control', 'max-age=2']] })
      began.open()
      await ready.promise
      return page({ headers: [['Set-Cookie', 'a=b']], body: `call ${call}` })
    })
    await ask(pages, site)
    clock.advance(3000)
    const first = ask(pages, site)
    await began.promise
    const second = pages.respond(request(), site.origin)
    ready.open()
    expect(text(await first)).toBe('call 2')
    // Whether it came in time to wait for the first or not.
    const other = await second
    if (other.kind === 'page') expect(text(other)).toBe('call 3')
    else expect([other.kind, site.calls]).toEqual(['pass', 2])
  })

  it('stands in while a new one is fetched, and when none can be had, if both sides allow it', async () => {
    const { pages, clock, cache } = setUp({ staleDirectives: true })
    const headers: [string, string][] = [['Cache-Control', 'max-age=2, stale-while-revalidate=4, stale-if-error=60']]
    const site: Site = new Site(() => page({ headers, body: `${site.calls}` }))
    await ask(pages, site)
    clock.advance(3000)
    const stale = await ask(pages, site)
    expect([text(stale), header(stale, 'cache-status')]).toEqual(['1', 'pagekeep; hit; ttl=-1'])
    await expect.poll(async () => text(await ask(pages, site))).toBe('2')
    clock.advance(10_000)
    site.answer = () => page({ status: 500, body: 'broken' })
    const standIn = await ask(pages, site)
    expect([standIn.status, text(standIn)]).toEqual([200, '2'])
    expect(header(standIn, 'cache-status')).toBe('pagekeep; hit; fwd-status=500; detail=stale-if-error')
    // An evicted page is never shown, whoever allows stale ones.
    await cache.evict('index.html')
    expect((await ask(pages, site)).status).toBe(500)
  })
})

describe('variants', () => {
  const byLanguage = { vary: ['accept-language'] }
  const de = { headers: { 'accept-language': 'de' } }
  const en = { headers: { 'accept-language': 'en' } }
  const multilingual = () => {
    const site: Site = new Site(() => page({ headers: [['Vary', 'Accept-Language']], body: `version ${site.calls}` }))
    return site
  }

  it('are kept side by side and chosen by their fields', async () => {
    const { pages, store } = setUp(byLanguage)
    const site = multilingual()
    expect(text(await ask(pages, site, de))).toBe('version 1')
    expect(header(await ask(pages, site, en), 'cache-status')).toBe('pagekeep; fwd=vary-miss; stored')
    expect([text(await ask(pages, site, de)), text(await ask(pages, site, en))]).toEqual(['version 1', 'version 2'])
    expect([site.calls, store.size]).toEqual([2, 2])
  })

  it('are all gone when their page is evicted by its key alone', async () => {
    const { pages, cache } = setUp(byLanguage)
    const site = multilingual()
    await ask(pages, site, de)
    await ask(pages, site, en)
    await cache.evict('index.html')
    expect(text(await ask(pages, site, de))).toBe('version 3')
    expect(text(await ask(pages, site, en))).toBe('version 4')
  })

  it('that were being made while their page was evicted are never found', async () => {
    const { pages, cache } = setUp(byLanguage)
    const site = multilingual()
    await ask(pages, site, de)
    site.answer = async () => {
      await cache.evict('index.html')
      site.answer = multilingual().answer
      return page({ headers: [['Vary', 'Accept-Language']], body: 'old' })
    }
    expect(text(await ask(pages, site, en))).toBe('old')
    expect(text(await ask(pages, site, de))).not.toBe('version 1')
    expect(text(await ask(pages, site, en))).not.toBe('old')
  })

  it('are limited for each page', async () => {
    const { pages, store } = setUp({ query: 'all', maxVariants: 2 })
    const site: Site = new Site()
    for (const url of ['/', '/?a=1', '/?a=2']) await ask(pages, site, { url })
    expect(await pages.respond(request({ url: '/?a=3' }), site.origin)).toMatchObject({
      kind: 'pass',
      cacheStatus: 'pagekeep; fwd=bypass; detail=variants',
    })
    await ask(pages, site, { url: '/?a=2' })
    await ask(pages, site, { url: '/other/?a=3' })
    expect(store.size).toBe(4)
  })

  it('by query go with their page through variantsToo()', async () => {
    const { pages, cache, store } = setUp({ query: ['a'] })
    for (const url of ['/', '/?a=1', '/b/?a=1']) await ask(pages, new Site(), { url })
    const report = await variantsToo(cache).evict(['index.html', { tag: 'none' }])
    expect([report.removed, store.size]).toEqual([2, 1])
  })
})

describe('compressed variants', () => {
  const long = 'A line of text. '.repeat(500)

  it('are made once, kept with their page and gone with it', async () => {
    const { pages, cache, store } = setUp()
    const site: Site = new Site({
      headers: [
        ['Content-Type', 'text/html'],
        ['ETag', '"a"'],
      ],
      body: long,
    })
    const gzip = { headers: { 'accept-encoding': 'gzip' } }
    await ask(pages, site)
    const reply = await ask(pages, site, gzip)
    expect(gunzipSync(reply.body as Uint8Array).toString()).toBe(long)
    expect([header(reply, 'content-encoding'), header(reply, 'etag'), header(reply, 'vary')]).toEqual([
      'gzip',
      '"a-gzip"',
      'Accept-Encoding',
    ])
    expect(header(await ask(pages, site, { headers: { 'accept-encoding': 'gzip, br' } }), 'content-encoding')).toBe(
      'br',
    )
    expect(
      header(await ask(pages, site, { headers: { 'accept-encoding': 'gzip;q=0, identity' } }), 'content-encoding'),
    ).toBeUndefined()
    expect(header(await ask(pages, site), 'vary')).toBe('Accept-Encoding')
    const unchanged = await ask(pages, site, { headers: { 'accept-encoding': 'gzip', 'if-none-match': '"a-gzip"' } })
    expect(unchanged.status).toBe(304)
    expect([site.calls, store.size]).toEqual([1, 1])
    await cache.evict('index.html')
    expect(store.size).toBe(0)
  })

  it('are not made of what is short, coded, binary, or not to be transformed', async () => {
    const { pages } = setUp()
    const coding = async (headers: [string, string][], body: string) => {
      const url = `/${Math.random()}`
      const reply = await ask(pages, new Site({ headers, body }), { url, headers: { 'accept-encoding': 'br' } })
      return header(reply, 'content-encoding')
    }
    expect(await coding([['Content-Type', 'text/html']], 'short')).toBeUndefined()
    expect(await coding([['Content-Type', 'image/png']], long)).toBeUndefined()
    expect(
      await coding(
        [
          ['Content-Type', 'text/html'],
          ['Content-Encoding', 'x'],
        ],
        long,
      ),
    ).toBe('x')
    expect(
      await coding(
        [
          ['Content-Type', 'text/html'],
          ['Cache-Control', 'no-transform, max-age=9'],
        ],
        long,
      ),
    ).toBeUndefined()
    expect(await coding([['Content-Type', 'application/json']], long)).toBe('br')
  })
})

describe('tags', () => {
  it('come from the site’s fields and from its render, and evict', async () => {
    const { pages, cache, store } = setUp()
    const site: Site = new Site(({ context, url }) => {
      context.tag(`url:${url}`)
      return page({
        headers: [
          ['Surrogate-Key', 'port:1 port:2'],
          ['Cache-Tag', 'a,b'],
        ],
      })
    })
    const reply = await ask(pages, site)
    expect([header(reply, 'surrogate-key'), header(reply, 'cache-tag')]).toEqual([undefined, undefined])
    for (const tag of ['port:2', 'b', 'url:/']) {
      await ask(pages, site)
      expect(store.size).toBe(1)
      await cache.evict({ tag })
      expect(store.size).toBe(0)
    }
  })

  it('are sent for a CDN when wanted, with names of the key and its directories', async () => {
    const { pages } = setUp({ emitTags: ['Surrogate-Key', 'Cache-Tag'] })
    const site: Site = new Site(({ context }) => {
      context.tag('port 1,x')
      return page()
    })
    await ask(pages, site, { url: '/ports/x/' })
    const reply = await ask(pages, site, { url: '/ports/x/' })
    expect(header(reply, 'surrogate-key')).toBe('t:port%201%2Cx k:ports/x/index.html d: d:ports d:ports/x')
    expect(header(reply, 'cache-tag')).toBe('t:port%201%2Cx,k:ports/x/index.html,d:,d:ports,d:ports/x')
  })
})

describe('a render’s own say', () => {
  it('is obeyed: skip() and ttl()', async () => {
    const { pages, store, clock } = setUp()
    const skipping = new Site(({ context }) => {
      context.skip()
      return page()
    })
    expect(header(await ask(pages, skipping), 'cache-status')).toBe('pagekeep; fwd=uri-miss; stored=?0; detail=skip')
    expect(store.size).toBe(0)
    const short: Site = new Site(({ context }) => {
      context.ttl(1000)
      return page({ body: `${short.calls}` })
    })
    await ask(pages, short)
    clock.advance(1001)
    expect(text(await ask(pages, short))).toBe('2')
  })
})

describe('a fault of the cache', () => {
  it.each(['get', 'begin', 'publish', 'state', 'abandon'] as const)('in %s is none of the site', async (act) => {
    const store = new ChaosStore(new MemoryStore())
    const cache = createCache({ store })
    cache.on('error', () => undefined)
    const pages = new HttpCache({ cache, hosts: 'any' })
    store.fail(act)
    const site: Site = new Site({ body: 'served' })
    const reply = await pages.respond(request(), site.origin)
    if (reply.kind === 'page') expect(text(reply)).toBe('served')
    else expect(reply.kind).toBe('pass')
    expect(site.calls).toBeLessThan(2)
  })

  it('that answers nonsense lets the site answer', async () => {
    const { pages, cache } = setUp()
    await cache.set('index.html', 'body', { metadata: 'not of this layer' })
    expect(await pages.respond(request(), new Site().origin)).toMatchObject({ kind: 'pass' })
  })

  it('throws the limits of renders for the adapter to answer', async () => {
    const cache = createCache({ store: new MemoryStore(), maxRenders: 1, maxQueuedRenders: 0 })
    const pages = new HttpCache({ cache, hosts: 'any' })
    const [began, ready] = [gate(), gate()]
    const slow = new Site(async () => {
      began.open()
      await ready.promise
      return page()
    })
    const first = ask(pages, slow)
    await began.promise
    await expect(ask(pages, slow, { url: '/other/' })).rejects.toThrow(PagekeepError)
    ready.open()
    await first
  })
})

describe('plain pages', () => {
  it('are nothing but their file, with the ETag that nginx gives it', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
    try {
      const cache = createCache({ store: new DiskStore({ directory }) })
      // The file's second is over, by far.
      const clock = { ...systemClock, now: () => Date.now() + 5000 }
      const pages = new HttpCache({ cache, hosts: 'any', plain: true, clock })
      const site: Site = new Site({
        headers: [
          ['Content-Type', 'text/html; charset=utf-8'],
          ['Content-Length', '4'],
        ],
        body: 'päge',
      })
      await ask(pages, site)
      expect(readFileSync(path.join(directory, 'index.html'), 'utf8')).toBe('päge')
      expect(readdirSync(path.join(directory, '.pagekeep'))).not.toContain('meta')
      const reply = await ask(pages, site)
      expect(header(reply, 'etag')).toMatch(/^"[0-9a-f]{8}-5"$/)
      expect(header(reply, 'content-type')).toBe('text/html; charset=utf-8')
      expect(header(reply, 'cache-status')).toBe('pagekeep; hit')
      const again = await ask(pages, site, { headers: { 'if-none-match': header(reply, 'etag') ?? '' } })
      expect([again.status, site.calls]).toEqual([304, 1])
      await ask(
        pages,
        new Site(
          keepable({
            headers: [
              ['X', '1'],
              ['Content-Type', 'text/html'],
            ],
          }),
        ),
        { url: '/more/' },
      )
      expect(header(await ask(pages, site, { url: '/more/' }), 'x')).toBe('1')
      await cache.close()
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('a plain page that is replaced within its second by another of its length', () => {
  /** What a visitor is told who has seen the first of two pages and asks for the second. */
  async function secondVisit(delayMs: number) {
    const directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
    const cache = createCache({ store: new DiskStore({ directory }) })
    try {
      const clock = { ...systemClock, now: () => Date.now() + delayMs }
      const pages = new HttpCache({ cache, hosts: 'any', plain: true, clock })
      const site = (body: string) => new Site({ headers: [['Content-Type', 'text/html; charset=utf-8']], body })
      // Both within one second of the file system's clock.
      await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)))
      await ask(pages, site('one'))
      const seen = await ask(pages, site('one'))
      const [etag, modified] = [header(seen, 'etag'), header(seen, 'last-modified')]
      await cache.evict('**')
      await ask(pages, site('two'))
      const byTag = await ask(pages, site('two'), { headers: { 'if-none-match': etag ?? '"none"' } })
      const byDate = await ask(pages, site('two'), { headers: { 'if-modified-since': modified ?? 'never' } })
      return [byTag.status, byDate.status]
    } finally {
      await cache.close()
      rmSync(directory, { recursive: true })
    }
  }

  it('is never called unmodified', async () => {
    expect(await secondVisit(0)).toEqual([200, 200])
  })

  it('twin: is, where validators are given at once', async () => {
    // On a busy machine the two may come to lie in different seconds.
    await expect.poll(() => secondVisit(60_000), { timeout: 120_000 }).toContain(304)
  })
})

describe('new HttpCache()', () => {
  it.each([
    [{}, /Expected cache/],
    [{ cache: createCache({ store: new MemoryStore() }) }, /Expected hosts/],
    [{ cache: createCache({ store: new MemoryStore() }), hosts: [] }, /Expected hosts/],
    [{ cache: createCache({ store: new MemoryStore() }), hosts: 'any', maxVariants: -1 }, /Expected maxVariants/],
  ])('refuses unsuitable options %#', (options, message) => {
    expect(() => new HttpCache(options as unknown as HttpCacheOptions)).toThrow(message)
  })
})
