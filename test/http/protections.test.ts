/**
 * What the HTTP layer promises by itself, each with its twin: the same test on modules in which the lines that keep
 * the promise are replaced must fail. Nothing can be switched off in the product for this (mutant.ts).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import v8 from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createCache, type PageCache } from 'pagekeep'
import * as http from 'pagekeep/http'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { gate } from '../../src/testing/contract/contract-test.js'
import { blockFor, countTurns } from '../support/event-loop.js'
import { ask, header, page, request, Site, text } from './ask.js'
import { type Http, mutantOf, type Replacement } from './mutant.js'
import { get, serve } from './serve.js'

interface Stage {
  readonly cache: PageCache
  readonly store: MemoryStore
  readonly clock: FakeClock
  pages(options?: Partial<http.HttpCacheOptions>): http.HttpCache
}

interface Protection {
  readonly promise: string
  readonly holds: (given: Http, stage: Stage) => Promise<void>
  /** The lines that keep the promise, and what is there without it. */
  readonly without: readonly Replacement[]
  /** From this major version on Node itself keeps it too, so that nothing shows without the lines. */
  readonly keptByNode?: number
}

const html: http.Field = ['Content-Type', 'text/html; charset=utf-8']

/** Nothing of an answer with these fields stays for the next visitor. */
const isNotKept =
  (fields: http.Fields, options: Partial<http.HttpCacheOptions> = {}, headers: Record<string, string> = {}) =>
  async (_: Http, { pages, store }: Stage) => {
    const layer = pages(options)
    const site: Site = new Site(() => page({ headers: [html, ...fields], body: `for visitor ${site.calls}` }))
    const reply = await layer.respond(request({ headers: { host: 'localhost', ...headers } }), site.origin)
    if (reply.kind === 'page') expect(text(reply)).toBe('for visitor 1')
    expect(store.size).toBe(0)
  }

/** Such a request is not answered from what is kept for others, and makes no page for them. */
const passes =
  (parts: Partial<http.PageRequest>, options: Partial<http.HttpCacheOptions> = {}) =>
  async (_: Http, { pages, store }: Stage) => {
    const layer = pages(options)
    const reply = await layer.respond(request(parts), new Site().origin)
    expect(reply.kind).toBe('pass')
    expect(store.size).toBe(0)
  }

/** How much the collector of young garbage takes for old from now on, looked at now and then. */
class Promoted {
  mb = 0
  #oldMb: number

  constructor() {
    v8.setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc')
    // What survives is old after the second.
    for (const _ of [1, 2]) gc()
    this.#oldMb = this.#measure()
  }

  look(): void {
    const oldMb = this.#measure()
    this.mb += Math.max(0, oldMb - this.#oldMb)
    this.#oldMb = oldMb
  }

  #measure(): number {
    const old = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')
    return (old?.space_used_size ?? 0) / 2 ** 20
  }
}

/** Longer than a turn may take up more. */
const takeLong = () => blockFor(2)

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: lines of the modules as they are written there
const protections: readonly Protection[] = [
  {
    promise: 'an answer that sets a cookie is never kept',
    holds: isNotKept([
      ['Set-Cookie', 'session=1'],
      ['Cache-Control', 'public, max-age=60'],
    ]),
    without: [['storing', "if (fieldOf(headers, 'set-cookie') !== undefined) return 'set-cookie'", '']],
  },
  {
    promise: 'a private answer is never kept',
    holds: isNotKept([['Cache-Control', 'private, max-age=60']]),
    without: [['storing', "if (directives.has('private')) return 'private'", '']],
  },
  {
    promise: 'an answer that is not to be stored is never kept',
    holds: isNotKept([['Cache-Control', 'no-store']]),
    without: [['storing', "if (directives.has('no-store') && !mustUnderstand) return 'no-store'", '']],
  },
  {
    promise: 'an answer to Authorization is not kept unless it says it may be shared',
    holds: isNotKept([['Cache-Control', 'max-age=60']], { authorization: 'share' }, { authorization: 'Basic eA==' }),
    without: [
      ['storing', "if (requestField(request, 'authorization') !== undefined && !isOpen) return 'authorization'", ''],
    ],
  },
  {
    promise: 'a request with Authorization passes the cache by',
    holds: passes({ headers: { host: 'localhost', authorization: 'Basic eA==' } }),
    without: [['http-cache', "if (isAuthorized && this.settings.authorization === 'pass')", 'if (false)']],
  },
  {
    promise: 'who waited for an answer never gets one that is another visitor’s',
    async holds(_, { pages }) {
      const layer = pages()
      const [began, ready] = [gate(), gate()]
      const site = new Site(async () => {
        began.open()
        await ready.passed
        return page({ headers: [html, ['Set-Cookie', 'session=first']], body: 'for the first' })
      })
      const first = ask(layer, site)
      await began.passed
      const second = layer.respond(request(), site.origin)
      ready.open()
      await first
      expect((await second).kind).toBe('pass')
    },
    without: [
      ['trip', "const isOwn = !verdict.isShareable || refusal === 'vary' || refusal === 'skip'", 'const isOwn = false'],
    ],
  },
  {
    promise: 'a query parameter that is not listed makes no page',
    holds: passes({ url: '/?x=1' }, { query: ['page'] }),
    without: [['page-key', "if (options.query !== 'all' && !options.query?.includes(name)) return undefined", '']],
  },
  {
    promise: 'the site does not see a parameter that the key does not have',
    async holds(_, { pages }) {
      const site = new Site()
      await ask(pages({ query: ['page'], ignoredQuery: ['utm_*'] }), site, { url: '/?utm_source=evil&page=2' })
      expect(site.lastCall?.url).toBe('/?page=2')
    },
    without: [
      [
        'page-key',
        "const url = parameters.query === '' ? path : `${path}?${parameters.query}`",
        'const { url } = request',
      ],
    ],
  },
  {
    promise: 'a cookie that is not listed makes no page',
    holds: passes({ headers: { host: 'localhost', cookie: 'session=1' } }, { cookies: ['lang'] }),
    without: [
      [
        'page-key',
        "else if (options.ignoredCookies !== 'all' && !isNamed(name, options.ignoredCookies ?? [])) return undefined",
        '',
      ],
    ],
  },
  {
    promise: 'a host that is not listed makes no page',
    holds: passes({ headers: { host: 'evil.example' } }, { hosts: ['www.example.org'] }),
    without: [['page-key', 'if (found === undefined) return undefined', "if (found === undefined) return ''"]],
  },
  {
    promise: 'an address that could mean another page to the site makes none',
    holds: async (given, stage) => {
      for (const url of ['/a/../b/', '/./b/', '/%2e%2e/b/', '/b/index.html']) await passes({ url })(given, stage)
    },
    without: [
      [
        'page-key',
        "if (value === undefined || value === '.' || value === '..' || value === 'index.html') return undefined",
        'if (value === undefined) return undefined',
      ],
    ],
  },
  {
    promise: 'visitors cannot make more than maxVariants of a page',
    async holds(_, { pages, store }) {
      const layer = pages({ query: 'all', maxVariants: 3 })
      for (let at = 0; at < 20; at++) await layer.respond(request({ url: `/?x=${at}` }), new Site().origin)
      expect(store.size).toBe(3)
    },
    without: [['variant-count', 'if (known.size >= this.#most) return false', '']],
  },
  {
    promise: 'a variant is gone with its page, and not found beside the page’s successor',
    async holds(_, { pages, cache }) {
      const layer = pages({ vary: ['accept-language'] })
      const site: Site = new Site(() =>
        page({ headers: [html, ['Vary', 'Accept-Language']], body: `version ${site.calls}` }),
      )
      const inLanguage = async (language: string) =>
        text(await ask(layer, site, { headers: { host: 'localhost', 'accept-language': language } }))
      await inLanguage('de')
      await inLanguage('en')
      await cache.evict('index.html')
      expect([await inLanguage('de'), await inLanguage('en')]).toEqual(['version 3', 'version 4'])
    },
    without: [['variant-key', '`${base}@vary.${page.stamp}.${digest}`', '`${base}@vary.${digest}`']],
  },
  {
    promise: 'a page varies by the fields that are allowed, and no visitor’s choice of others is kept',
    holds: isNotKept([['Vary', 'User-Agent']], { vary: ['accept-language'] }),
    without: [['trip', "return allowed === 'any' || vary.every(([name]) => allowed.includes(name))", 'return true']],
  },
  {
    promise: 'a variant is shown only to those who choose it',
    async holds(_, { pages }) {
      const layer = pages({ vary: ['accept-language'] })
      const site: Site = new Site(() =>
        page({ headers: [html, ['Vary', 'Accept-Language']], body: `version ${site.calls}` }),
      )
      await ask(layer, site, { headers: { host: 'localhost', 'accept-language': 'de' } })
      const other = await ask(layer, site, { headers: { host: 'localhost', 'accept-language': 'en' } })
      expect(text(other)).toBe('version 2')
    },
    without: [
      [
        'stored-page',
        'return page.vary.every(([name, value]) => selectingValue(request, name) === value)',
        'return true',
      ],
    ],
  },
  {
    promise: 'status and fields are always of the render that the bytes are of',
    async holds(_, { pages, cache }) {
      const layer = pages()
      const [began, ready] = [gate(), gate()]
      const late = ask(
        layer,
        new Site(async () => {
          began.open()
          await ready.passed
          return page({ status: 404, headers: [html, ['Cache-Control', 'max-age=60']], body: 'not found' })
        }),
      )
      await began.passed
      await cache.evict('index.html')
      await ask(layer, new Site({ body: 'found' }))
      ready.open()
      await late
      const reply = await ask(layer, new Site({ body: 'once more' }))
      expect([reply.status, text(reply)]).toEqual([200, 'found'])
    },
    // Written beside the page by whoever comes, instead of with it.
    without: [
      [
        'trip',
        'context.describe(metadata)\n    return this.#remember',
        ';(settings as any).beside ??= new Map()\n    ;(settings as any).beside.set(key.key, metadata)\n    context.describe(metadata)\n    return this.#remember',
      ],
      [
        'http-cache',
        'const { metadata, status } = answer',
        'const { status } = answer\n    const metadata = (this.settings as any).beside?.get(key)',
      ],
    ],
  },
  {
    promise: 'no two versions of a page have one validator, were they of one second and length',
    async holds(_, { pages, cache, clock }) {
      const layer = pages({ plain: true })
      const version = (body: string) => new Site({ headers: [html], body })
      await ask(layer, version('one'))
      clock.advance(500)
      const seen = await ask(layer, version('one'))
      await cache.evict('index.html')
      clock.advance(100)
      await ask(layer, version('two'))
      for (const [name, given] of [
        ['if-none-match', header(seen, 'etag')],
        ['if-modified-since', header(seen, 'last-modified')],
      ] as const) {
        const headers = { host: 'localhost', ...(given !== undefined && { [name]: given }) }
        expect(await ask(layer, version('two'), { headers })).toMatchObject({ status: 200 })
      }
    },
    without: [['plain-page', 'nowMs >= (Math.floor(modifiedMs / 1000) + 1) * 1000 + settleMs', 'nowMs >= 0']],
  },
  {
    promise: 'a purge while the site answers wins: what it answers is not kept',
    async holds(_, { pages, cache }) {
      const layer = pages()
      const [began, ready] = [gate(), gate()]
      const asked = ask(
        layer,
        new Site(async () => {
          began.open()
          await ready.passed
          return page({ body: 'old' })
        }),
      )
      await began.passed
      await cache.evict('index.html')
      ready.open()
      expect(text(await asked)).toBe('old')
      expect(text(await ask(layer, new Site({ body: 'new' })))).toBe('new')
    },
    // A second way of keeping pages, beside the render of the cache.
    without: [
      [
        'trip',
        'context.describe(metadata)\n    return this.#remember',
        'context.describe(metadata)\n    await settings.cache.set(key.key, body, { metadata })\n    return this.#remember',
      ],
    ],
  },
  {
    promise: 'an expired page is not shown when the site fails, unless both sides allow it',
    async holds(_, { pages, clock }) {
      const layer = pages()
      const fields: http.Fields = [html, ['Cache-Control', 'max-age=1, stale-if-error=60']]
      await ask(layer, new Site({ headers: fields, body: 'old' }))
      clock.advance(2000)
      const failing = new Site(() => {
        throw new Error('the site is down')
      })
      await expect(layer.respond(request(), failing.origin)).rejects.toThrow('the site is down')
    },
    without: [
      [
        'trip',
        'if (!staleDirectives || old.expiresAtMs === undefined) return false',
        'if (old.expiresAtMs === undefined) return false',
      ],
    ],
  },
  {
    promise: 'a range is cut only from the version that the visitor has the rest of',
    async holds(_, { pages }) {
      const layer = pages()
      const site = new Site({ headers: [html, ['ETag', '"new"']], body: '0123456789' })
      const partly = (condition: string) =>
        ask(layer, site, { headers: { host: 'localhost', range: 'bytes=5-', 'if-range': condition } })
      expect(await partly('"new"')).toMatchObject({ status: 206 })
      const other = await partly('"old"')
      expect([other.status, text(other)]).toEqual([200, '0123456789'])
    },
    without: [['reply', 'isWhole || !isSameForRange(request, shape)', 'isWhole']],
  },
  {
    promise: 'fields of a connection are not kept, nor those that Connection names',
    async holds(_, { pages }) {
      const layer = pages()
      const fields: http.Fields = [html, ['Connection', 'X-Hop'], ['X-Hop', '1'], ['Keep-Alive', 'timeout=5']]
      await ask(layer, new Site({ headers: fields }))
      const reply = await ask(layer, new Site())
      expect(['connection', 'x-hop', 'keep-alive'].map((name) => header(reply, name))).toEqual([
        undefined,
        undefined,
        undefined,
      ])
    },
    without: [['message', 'return without(fields, new Set([...hopByHop, ...named]))', 'return [...fields]']],
  },
  {
    promise: 'an address that is known is still answered for the hosts that are listed only',
    async holds(_, { pages }) {
      const layer = pages({ hosts: ['a.example', 'b.example'] })
      const site: Site = new Site(() => page({ body: `page ${site.calls}` }))
      const of = async (host: string) => {
        const reply = await layer.respond(request({ headers: { host } }), site.origin)
        return reply.kind === 'page' ? text(reply) : reply.kind
      }
      expect([await of('a.example'), await of('b.example'), await of('evil.example')]).toEqual([
        'page 1',
        'page 2',
        'pass',
      ])
    },
    without: [['known-keys', "this.#isByHost ? `${requestField(request, 'host')}\\n${url}` : url", 'url']],
  },
  {
    promise: 'an address that is known is not enough for who has a cookie',
    async holds(_, { pages }) {
      const layer = pages({ cookies: ['lang'], ignoredCookies: ['_ga'] })
      const site: Site = new Site(() => page({ body: `page ${site.calls}` }))
      const having = async (cookie?: string) => {
        const headers = { host: 'localhost', ...(cookie !== undefined && { cookie }) }
        const reply = await layer.respond(request({ headers }), site.origin)
        return reply.kind === 'page' ? text(reply) : reply.kind
      }
      const seen = [await having(), await having('_ga=1'), await having('lang=de'), await having('session=1')]
      expect([...seen, await having()]).toEqual(['page 1', 'page 1', 'page 2', 'pass', 'page 1'])
    },
    without: [['known-keys', 'if (this.#isOwn(request)) return readKey(request, this.#options)', '']],
  },
  {
    promise: 'what is done to the reply for one visitor is not sent to the next',
    async holds(_, { pages }) {
      const layer = pages()
      await ask(layer, new Site())
      const reply = await ask(layer, new Site())
      try {
        ;(reply.headers as http.Field[]).push(['Set-Cookie', 'session=1'])
      } catch {
        // It is frozen.
      }
      expect(header(await ask(layer, new Site()), 'set-cookie')).toBeUndefined()
    },
    without: [['prepared-reply', 'Object.freeze(headers)', 'headers']],
  },
  {
    promise: 'a page is as old as it is when it is asked for, however often it was sent',
    async holds(_, { pages, clock }) {
      const layer = pages()
      await ask(layer, new Site())
      const ages: (string | undefined)[] = []
      for (let second = 0; second < 3; second++) {
        ages.push(header(await ask(layer, new Site()), 'age'))
        clock.advance(1000)
      }
      expect(ages).toEqual(['0', '1', '2'])
    },
    without: [
      ['reply', 'whole?.cacheStatus !== cacheStatus || whole.ageSeconds !== ageSeconds', 'whole === undefined'],
    ],
  },
  {
    promise: 'a visitor gets a coding that this visitor takes, whatever the one before took',
    async holds(_, { pages }) {
      const layer = pages()
      const site = new Site({ body: 'page '.repeat(1000) })
      const taken: (string | undefined)[] = []
      for (const coding of ['gzip', 'gzip', 'br', undefined]) {
        const headers = { host: 'localhost', ...(coding !== undefined && { 'accept-encoding': coding }) }
        taken.push(header(await ask(layer, site, { headers }), 'content-encoding'))
      }
      expect(taken).toEqual(['gzip', 'gzip', 'br', undefined])
    },
    without: [['ready-page', ' && accepted === this.#lastAccepted', '']],
  },
  {
    promise: 'who asks in one moment with others is shown nothing that was evicted since',
    async holds(_, { pages, cache }) {
      const layer = pages()
      const site: Site = new Site(() => page({ body: `page ${site.calls}` }))
      const soon = () => new Promise<http.Reply>((resolve) => layer.respondSoon(request(), site.origin, resolve))
      const read = async (replies: Promise<http.Reply>[]) =>
        (await Promise.all(replies)).map((reply) => (reply.kind === 'page' ? text(reply) : reply.kind))
      await ask(layer, site)
      expect(await read([soon(), soon(), soon()])).toEqual(['page 1', 'page 1', 'page 1'])
      const crowd = [soon(), soon(), soon()]
      await cache.evict('**')
      // Those who asked before may have been answered at once; those who waited are not shown the old page.
      expect((await read(crowd)).slice(1)).toEqual(['page 2', 'page 2'])
    },
    without: [
      ['crowds', 'const look: Look = { answer: undefined }', 'const look = (this.last ??= { answer: undefined })'],
    ],
  },
  {
    promise: 'visitors of one moment are answered by one look, and each is a hit',
    async holds(_, { pages, cache, store }) {
      const layer = pages()
      await ask(layer, new Site())
      let hits = 0
      cache.on('hit', () => hits++)
      const look = vi.spyOn(store, 'get')
      const soon = () =>
        new Promise((resolve) => layer.respondSoon(request(), new Site().origin, resolve)) as Promise<http.Reply>
      const replies = await Promise.all(Array.from({ length: 20 }, soon))
      expect(replies.map((reply) => reply.kind === 'page' && reply.status)).toEqual(Array(20).fill(200))
      expect(hits).toBe(20)
      // The first of the moment, and all others together.
      expect(look.mock.calls.length).toBe(2)
    },
    without: [['http-cache', 'look.answer = answer instanceof Promise ? undefined : answer', '']],
  },
  {
    promise: 'who waits for others is answered in the asynchronous context of the request',
    async holds(_, { pages }) {
      const layer = pages()
      await ask(layer, new Site())
      const visitors = new AsyncLocalStorage<number>()
      const soon = (visitor: number) =>
        visitors.run(
          visitor,
          () =>
            new Promise((resolve) =>
              layer.respondSoon(request(), new Site().origin, () => resolve(visitors.getStore())),
            ),
        )
      expect(await Promise.all([soon(1), soon(2), soon(3)])).toEqual([1, 2, 3])
    },
    without: [['crowds', 'scope.runInAsyncScope(visitor, undefined, look)', 'visitor(look)']],
  },
  {
    promise: 'what visitors of one moment leave behind is garbage at once, whatever lies among what is old',
    async holds(_, { pages }) {
      const layer = pages()
      await ask(layer, new Site())
      const moment = () => {
        const soon = (visitor: number) => {
          const belongings = Array(2000).fill(visitor)
          return new Promise((resolve) =>
            layer.respondSoon(request(), new Site().origin, () => resolve(belongings.length)),
          )
        }
        return Promise.all([1, 2, 3].map(soon))
      }
      await moment()
      const promoted = new Promoted()
      for (let moments = 0; moments < 4000; moments++) {
        await moment()
        promoted.look()
      }
      // Of 190.
      expect(promoted.mb).toBeLessThan(10)
    },
    without: [
      ['crowds', 'this.#waiting = new Map()', 'const gone = [...crowds]; crowds.clear(); this.rest = gone'],
      ['crowds', 'of crowds.values()', 'of this.rest.map(([, crowd]) => crowd)'],
    ],
  },
  {
    promise: 'requests that come together, and take long, leave the event loop its turns, in their order',
    async holds(_, { pages }) {
      const layer = pages()
      for (let at = 0; at < 4; at++) await ask(layer, new Site(), { url: `/page/${at}` })
      const turns = countTurns()
      const seen: [page: number, turn: number][] = []
      const soon = (at: number) =>
        new Promise<void>((resolve) => {
          const deliver = () => {
            seen.push([at, turns.count()])
            takeLong()
            resolve()
          }
          layer.respondSoon(request({ url: `/page/${at}` }), new Site().origin, deliver)
        })
      await Promise.all([0, 1, 2, 3].map(soon))
      expect(seen.map(([at]) => at)).toEqual([0, 1, 2, 3])
      expect(new Set(seen.map(([, turn]) => turn)).size).toBe(4)
    },
    without: [
      [
        'turns',
        'while (next < waiting.length && performance.now() - beganAtMs < longestMs)',
        'while (next < waiting.length)',
      ],
    ],
  },
  {
    promise: 'who waits for a later turn is answered in the asynchronous context of the request',
    async holds(_, { pages }) {
      const layer = pages()
      for (let at = 0; at < 3; at++) await ask(layer, new Site(), { url: `/page/${at}` })
      const visitors = new AsyncLocalStorage<number>()
      const soon = (visitor: number) =>
        new Promise((resolve) => {
          const deliver = () => {
            takeLong()
            resolve(visitors.getStore())
          }
          const asked = request({ url: `/page/${visitor}` })
          visitors.run(visitor, () => layer.respondSoon(asked, new Site().origin, deliver))
        })
      expect(await Promise.all([0, 1, 2].map(soon))).toEqual([0, 1, 2])
    },
    without: [['turns', 'scope.runInAsyncScope(work)', 'work()']],
  },
  {
    promise: 'a fault in the answer to one of those who wait is told to that one, and the others are answered',
    async holds(_, { pages, cache }) {
      const layer = pages()
      for (let at = 0; at < 4; at++) await ask(layer, new Site(), { url: `/page/${at}` })
      const answerNow = cache.answerNow.bind(cache) as (...args: unknown[]) => unknown
      vi.spyOn(cache, 'answerNow').mockImplementation(((key: string, ...rest: unknown[]) => {
        takeLong()
        if (key.startsWith('page/2')) throw new Error('out of order')
        return answerNow(key, ...rest)
      }) as typeof cache.answerNow)
      const thrown: unknown[] = []
      const noted = (error: unknown) => thrown.push(error)
      // Whatever is thrown where nobody waits ends the process; here it is noted.
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException').on('uncaughtException', noted)
      onTestFinished(() => {
        process.removeAllListeners('uncaughtException')
        for (const listener of listeners) process.on('uncaughtException', listener)
      })
      const told: (Promise<string> | undefined)[] = []
      for (const at of [0, 1, 2, 3]) {
        layer.respondSoon(request({ url: `/page/${at}` }), new Site().origin, (reply) => {
          told[at] = Promise.resolve(reply).then(
            ({ kind }) => kind,
            (error: Error) => error.message,
          )
        })
      }
      for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
      expect(thrown).toEqual([])
      expect(await Promise.all(told)).toEqual(['page', 'page', 'out of order', 'page'])
    },
    without: [
      [
        'http-cache',
        'this.#findSafely({ request, origin, mayOutlive, look }, key)',
        'this.#find({ request, origin, mayOutlive, look }, key, 0)',
      ],
    ],
  },
  {
    promise: 'pages that are ready together are kept in turns of their own where that takes long',
    async holds(_, { pages, cache }) {
      const layer = pages()
      const turns = countTurns()
      const seen = new Set<number>()
      cache.on('kept', () => {
        seen.add(turns.count())
        takeLong()
      })
      const origin: http.Origin = async (call) => {
        // All of them in one turn, one after another.
        await new Promise((resolve) => setImmediate(resolve))
        return new Site().origin(call)
      }
      await Promise.all([0, 1, 2, 3].map((at) => layer.respond(request({ url: `/page/${at}` }), origin)))
      expect(seen.size).toBe(4)
    },
    without: [['trip', 'await this.#parts.turns.oneWithTime()', '']],
  },
  {
    promise: 'handlers see nothing of the visitor while they make a page for all',
    async holds(given, { pages }) {
      let seen: NodeJS.Dict<string | string[]> = {}
      const middleware = given.createMiddleware(pages({ ignoredCookies: 'all' }))
      const url = await serve((incoming, response) =>
        middleware(incoming, response, () => {
          seen = { ...incoming.headers }
          response.setHeader('Content-Type', 'text/html')
          response.end('page')
        }),
      )
      const headers = { cookie: 'session=1', range: 'bytes=0-0', 'if-none-match': '"a"' }
      expect((await get(url, { headers })).status).toBe(206)
      expect(Object.keys(headers).filter((name) => seen[name] !== undefined)).toEqual([])
    },
    without: [['middleware', 'for (const name of visitorsOwn) delete headers[name]\n  for', 'for']],
  },
  {
    promise: 'what another middleware set for one visitor is not kept for others',
    async holds(given, { pages }) {
      const middleware = given.createMiddleware(pages())
      let visitors = 0
      const url = await serve((incoming, response) => {
        response.setHeader('X-Visitor', String(++visitors))
        middleware(incoming, response, () => response.setHeader('Content-Type', 'text/html').end('page'))
      })
      await get(url)
      expect((await get(url)).headers['x-visitor']).toBe('2')
    },
    without: [['captured-response', '.filter(([name, value]) => value !== this.#before[name])', '']],
  },
  {
    promise: 'fields that were set before do not hide a page’s own of several lines',
    async holds(given, { pages }) {
      const middleware = given.createMiddleware(pages())
      const url = await serve((incoming, response) => {
        response.setHeader('X-Visitor', '1')
        middleware(incoming, response, () => {
          response.setHeader('Link', ['</a>', '</b>']).end('page')
        })
      })
      await get(url)
      expect((await get(url)).headers).toMatchObject({ link: '</a>, </b>', 'x-visitor': '1' })
    },
    without: [['node-message', 'response.getHeaderNames().length === 0', 'true']],
    keptByNode: 22,
  },
  {
    promise: 'middleware that adds to the fields of an answer finds those of a page by name',
    async holds(given, { pages }) {
      const middleware = given.createMiddleware(pages())
      const url = await serve((incoming, response) => {
        middleware(incoming, response, () => response.setHeader('Content-Type', 'text/html').end('page'))
      })
      await get(url)
      const behind = await serve((incoming, response) => {
        const { writeHead } = response
        response.writeHead = ((status: number, fields: object) =>
          Reflect.apply(writeHead, response, [status, { ...fields, 'X-Session': '1' }])) as typeof writeHead
        middleware(incoming, response, () => undefined)
      })
      expect((await get(behind)).headers).toMatchObject({ 'content-type': 'text/html', 'x-session': '1' })
    },
    without: [['node-message', 'response.writeHead === writeHead &&', '']],
  },
  {
    promise: 'middleware that changes the body of an answer is given that of a page',
    async holds(given, { pages }) {
      const middleware = given.createMiddleware(pages({ plain: true }))
      const url = await serve((incoming, response) => {
        const { end } = response
        response.end = ((body: unknown) =>
          Reflect.apply(end, response, [String(body ?? '').toUpperCase()])) as typeof end
        middleware(incoming, response, () => response.setHeader('Content-Type', 'text/html').end('page'))
      })
      await get(url)
      expect((await get(url)).body).toBe('PAGE')
    },
    without: [['node-message', 'response.end === end &&', '']],
  },
  {
    promise: 'evictions by HTTP are only for who has the token',
    async holds(given, { cache, store }) {
      await cache.set('index.html', 'page')
      const purge = given.createPurge({ target: cache, token: 'a token of good length' })
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'Bearer a token of good lengtH',
        'a token of good length',
      ]) {
        const headers = authorization === undefined ? {} : { authorization }
        const answer = await purge({ method: 'POST', url: '/', headers, body: '{"selectors":["**"]}' })
        expect(answer.status).toBe(401)
      }
      expect(store.size).toBe(1)
    },
    without: [
      [
        'purge',
        "if (!timingSafeEqual(digest(typeof given === 'string' ? given : ''), expected))",
        'if (given === undefined)',
      ],
    ],
  },
  {
    promise: 'the token is compared in one time, whatever was given',
    async holds(given, { cache }) {
      const compare = vi.spyOn(crypto, 'timingSafeEqual')
      syncBuiltinESMExports()
      onTestFinished(() => {
        compare.mockRestore()
        syncBuiltinESMExports()
      })
      const purge = given.createPurge({ target: cache, token: 'a token of good length' })
      for (const authorization of [undefined, 'x', 'Bearer a token of good length', 'y'.repeat(5000)]) {
        const headers = authorization === undefined ? {} : { authorization }
        await purge({ method: 'POST', url: '/', headers, body: '{}' })
      }
      expect(compare.mock.calls.map(([one, other]) => [one.byteLength, other.byteLength])).toEqual(
        Array.from({ length: 4 }, () => [32, 32]),
      )
    },
    without: [
      [
        'purge',
        "!timingSafeEqual(digest(typeof given === 'string' ? given : ''), expected)",
        "!digest(typeof given === 'string' ? given : '').equals(expected)",
      ],
    ],
  },
  {
    promise: 'there are no evictions by HTTP with a token that can be guessed, or none',
    async holds(given, { cache }) {
      for (const token of ['', 'short', undefined]) {
        expect(() => given.createPurge({ target: cache, token: token as string })).toThrow('Expected token')
      }
    },
    without: [['purge', "typeof token !== 'string' || token.length < leastTokenLength", 'false']],
  },
  {
    promise: 'nobody evicts by HTTP where no such endpoint was mounted',
    async holds(given, { pages, store }) {
      const layer = pages()
      const middleware = given.createMiddleware(layer)
      const url = await serve((incoming, response) =>
        middleware(incoming, response, () => {
          response.statusCode = incoming.method === 'PURGE' ? 405 : 200
          response.setHeader('Content-Type', 'text/html')
          response.end('page')
        }),
      )
      await get(url)
      expect((await get(url, { method: 'PURGE' })).status).toBe(405)
      expect(store.size).toBe(1)
    },
    // A site that says no has changed nothing.
    without: [['invalidation', 'if (status < 200 || status >= 400) return', '']],
  },
]
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: lines of the modules as they are written there

async function tried(given: Http, { holds }: Protection): Promise<void> {
  const clock = new FakeClock()
  const store = new MemoryStore({ clock })
  const cache = createCache({ store, clock })
  const pages: Stage['pages'] = (options) => new given.HttpCache({ cache, hosts: 'any', clock, ...options })
  await holds(given, { cache, store, clock, pages })
}

describe('the HTTP layer', () => {
  it.each(protections.map((protection) => [protection.promise, protection] as const))(
    'promises that %s',
    async (_, protection) => tried(http, protection),
  )

  const nodeMajor = Number(process.versions.node.split('.')[0])
  const shown = protections.filter(({ keptByNode = Number.POSITIVE_INFINITY }) => nodeMajor < keptByNode)
  it.each(shown.map((protection) => [protection.promise, protection] as const))(
    'twin: would not, with other lines, hold that %s',
    async (_, protection) => {
      const mutant = await mutantOf(...protection.without)
      const failure = await tried(mutant, protection).then(
        () => undefined,
        (thrown) => thrown,
      )
      // It fails by what it expects, not by lines that cannot run.
      expect(failure).toMatchObject({ name: 'AssertionError' })
    },
  )
})
