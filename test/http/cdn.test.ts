import { createCache, type EvictionTarget, isPagekeepError, parseSelector } from 'pagekeep'
import {
  both,
  type CdnApi,
  CdnTarget,
  cloudflare,
  fastly,
  genericCdn,
  HttpCache,
  varnishBan,
  varnishXkey,
} from 'pagekeep/http'
import { MemoryStore } from 'pagekeep/stores/memory'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import { emittedTags, namesOf } from '../../src/http/surrogate-keys.js'
import { ask, page, Site, text } from './ask.js'

/** A CDN that remembers what it was told, and fails as often as it is told to. */
function recordingApi(failures = 0): CdnApi & { calls: (readonly string[])[]; attempts: number } {
  return {
    name: 'recording',
    maxNames: 2,
    calls: [],
    attempts: 0,
    async purge(names) {
      this.attempts++
      if (this.attempts <= failures) throw new Error('not now')
      this.calls.push(names)
    },
  }
}

/** Runs timers as they are set: no test waits. */
class EagerClock extends FakeClock {
  override setTimer(callback: () => void, delayMs: number) {
    if (delayMs >= 5000) return super.setTimer(callback, delayMs)
    queueMicrotask(callback)
    return { cancel: () => undefined }
  }
}

describe('CdnTarget', () => {
  it('purges the names of what is evicted, no more of them in a call than the CDN takes', async () => {
    const api = recordingApi()
    const target = new CdnTarget({ api, clock: new EagerClock() })
    const report = await target.evict(['a/index.html', { tag: 'port:1' }, 'b/**', '**', 'c/d.*', { tag: 'port:1' }])
    expect(api.calls).toEqual([['k:a/index.html', 't:port:1'], ['d:b', 'd:'], ['d:c']])
    expect(report).toMatchObject({
      removed: 0,
      selectors: ['a/index.html', 'tag:port:1', 'b/**', '**', 'c/d.*', 'tag:port:1'],
    })
  })

  it('tries again, and has failed when it may not any more', async () => {
    const [patient, hopeless] = [recordingApi(3), recordingApi(99)]
    await new CdnTarget({ api: patient, clock: new EagerClock() }).evict(['a'])
    expect([patient.attempts, patient.calls.length]).toEqual([4, 1])
    const failed = await new CdnTarget({ api: hopeless, clock: new EagerClock(), attempts: 2 })
      .evict(['a'])
      .catch((error) => error)
    expect(isPagekeepError(failed, 'evict-failed')).toBe(true)
    expect([failed.message, failed.cause.message, hopeless.attempts]).toEqual([
      expect.stringContaining('recording'),
      'not now',
      2,
    ])
  })

  it('purges once more, for what the CDN was fetching meanwhile', async () => {
    const [api, clock] = [recordingApi(), new EagerClock()]
    await new CdnTarget({ api, clock }).evict(['a'])
    expect(api.calls.length).toBe(1)
    clock.advance(5000)
    await expect.poll(() => api.calls).toEqual([['k:a'], ['k:a']])
  })

  it('rejects selectors that cannot be used, and unsuitable options', async () => {
    await expect(new CdnTarget({ api: recordingApi() }).evict(['../a'])).rejects.toThrow()
    expect(() => new CdnTarget({ api: recordingApi(), attempts: 0 })).toThrow(RangeError)
    expect(() => new CdnTarget({ api: recordingApi(), timeoutMs: -1 })).toThrow(RangeError)
  })
})

describe('both()', () => {
  it('evicts from the cache before the CDN, which then fetches the new page', async () => {
    const cache = createCache({ store: new MemoryStore() })
    const pages = new HttpCache({ cache, hosts: 'any' })
    const site: Site = new Site(() => page({ body: `${site.calls}` }))
    await ask(pages, site)
    const refetched: string[] = []
    const cdn: EvictionTarget = {
      async evict(selectors) {
        refetched.push(text(await ask(pages, site)))
        return { selectors: selectors.map(String), removed: 0, keys: [], doomed: 0 }
      },
    }
    const target = both(cache, cdn)
    expect(await target.evict(['index.html'])).toMatchObject({ removed: 1, keys: ['index.html'] })
    expect(refetched).toEqual(['2'])
    expect(target.state).toBe(cache.state)
  })

  it('fails when either fails, having tried both', async () => {
    const broken: EvictionTarget = { evict: () => Promise.reject(new Error('down')) }
    const api = recordingApi()
    const cdn = new CdnTarget({ api, clock: new EagerClock() })
    await expect(both(broken, cdn).evict(['a'])).rejects.toThrow('down')
    expect(api.calls.length).toBe(1)
    const cache = createCache({ store: new MemoryStore() })
    await cache.set('a', 'x')
    await expect(both(cache, broken).evict(['a'])).rejects.toThrow('down')
    expect(await cache.get('a')).toBeUndefined()
  })
})

describe('the names of a page', () => {
  it.each(['a/b/c.html', 'index.html', 'a/b/c.html@page=2', 'a/about@.html'])(
    '%s are found by each selector that matches it',
    (key) => {
      const [[, emitted = ''] = []] = emittedTags(key, ['port 1', 'x,y'], ['Surrogate-Key'])
      const names = new Set(emitted.split(' '))
      const selectors = [key, '**', { tag: 'port 1' }, { tag: 'x,y' }, `${key.slice(0, -1)}*`]
      if (key.startsWith('a/')) selectors.push('a/**')
      for (const selector of selectors) {
        expect(namesOf(parseSelector(selector)).some((name) => names.has(name))).toBe(true)
      }
    },
  )

  it('of a page’s variants are those of the page', () => {
    const keysOf = (key: string) => emittedTags(key, [], ['Surrogate-Key'])
    expect(keysOf('a/index.html@page=2')).toEqual(keysOf('a/index.html'))
    expect(keysOf('a/b@.html')).not.toEqual(keysOf('a/c@.html'))
  })
})

describe('the calls to CDNs', () => {
  const calls: { url: string; init: RequestInit }[] = []
  const answering = (body: string, status = 200) =>
    (async (url: string, init: RequestInit) => {
      calls.push({ url, init })
      return new Response(body, { status })
    }) as typeof fetch
  const signal = new AbortController().signal

  it.each<[string, (options: { fetch: typeof fetch }) => CdnApi, object]>([
    [
      'Fastly',
      (options) => fastly({ serviceId: 's1', token: 't', ...options }),
      {
        url: 'https://api.fastly.com/service/s1/purge',
        init: { method: 'POST', headers: { 'Fastly-Key': 't' }, body: '{"surrogate_keys":["k:a","t:b"]}' },
      },
    ],
    [
      'Cloudflare',
      (options) => cloudflare({ zoneId: 'z1', token: 't', ...options }),
      {
        url: 'https://api.cloudflare.com/client/v4/zones/z1/purge_cache',
        init: { headers: { Authorization: 'Bearer t' }, body: '{"tags":["k:a","t:b"]}' },
      },
    ],
    [
      'Varnish with xkey',
      (options) => varnishXkey({ url: 'http://v/', ...options }),
      { url: 'http://v/', init: { method: 'PURGE', headers: { 'xkey-purge': 'k:a t:b' } } },
    ],
    [
      'Varnish with bans',
      (options) => varnishBan({ url: 'http://v/', ...options }),
      { url: 'http://v/', init: { method: 'BAN', headers: { 'ban-keys': '(^| )(k:a|t:b)( |$)' } } },
    ],
    [
      'another',
      (options) => genericCdn({ url: 'http://c/', ...options }),
      { url: 'http://c/', init: { method: 'POST', body: '{"keys":["k:a","t:b"]}' } },
    ],
  ])('%s', async (_, make, expected) => {
    await make({ fetch: answering('{"success":true}') }).purge(['k:a', 't:b'], signal)
    expect(calls.at(-1)).toMatchObject(expected)
    await expect(make({ fetch: answering('no', 403) }).purge(['k:a'], signal)).rejects.toThrow('403')
  })

  it('fail when Cloudflare says so in the body', async () => {
    const api = cloudflare({ zoneId: 'z', token: 't', fetch: answering('{"success": false, "errors": []}') })
    await expect(api.purge(['a'], signal)).rejects.toThrow('refused')
  })
})
