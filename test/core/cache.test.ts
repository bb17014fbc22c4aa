import { createCache, isPagekeepError, type PageBody, PagekeepError } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import { ChaosStore, FakeClock } from 'pagekeep/testing'
import { describe, expect, it, vi } from 'vitest'
import { gate } from '../../src/testing/contract/contract-test.js'

const setUp = () => {
  const clock = new FakeClock()
  const chaos = new ChaosStore(new MemoryStore())
  const cache = createCache({ store: chaos, clock })
  const errors: PagekeepError[] = []
  cache.on('error', (error) => errors.push(error))
  return { clock, chaos, cache, errors }
}

describe('createCache()', () => {
  it('refuses what is no store', () => {
    // @ts-expect-error a store is required
    expect(() => createCache({})).toThrow(TypeError)
    // @ts-expect-error a store has begin()
    expect(() => createCache({ store: new Map() })).toThrow('Expected a store, such as new MemoryStore()')
  })

  it.each([0, -1, Number.NaN])('refuses ttlMs %j', (ttlMs) => {
    expect(() => createCache({ store: new MemoryStore(), ttlMs })).toThrow(RangeError)
  })
})

describe('getOrRender()', () => {
  it('answers what the render made, and types it', async () => {
    const { cache } = setUp()
    const text: string = await cache.getOrRender('a', () => 'text')
    const bytes: Uint8Array = await cache.getOrRender('b', async () => new Uint8Array([1]))
    expect([text, [...bytes]]).toEqual(['text', [1]])
  })

  it.each([undefined, null, 5, {}, ['x']])('rejects with page-invalid when the render returns %j', async (body) => {
    const { cache } = setUp()
    const answer = cache.getOrRender('a', () => body as unknown as PageBody)
    await expect(answer).rejects.toSatisfy((error) => isPagekeepError(error, 'page-invalid'))
    expect(await cache.get('a')).toBeUndefined()
  })

  it('rejects with what a render throws at once', async () => {
    const { cache } = setUp()
    const answer = cache.getOrRender('a', () => {
      throw new RangeError('at once')
    })
    await expect(answer).rejects.toThrow(RangeError)
  })

  it('rejects with tag-invalid when the render names an unusable tag, and keeps nothing', async () => {
    const { cache } = setUp()
    const answer = cache.getOrRender('a', (context) => {
      context.tag('fine', 'line\nbreak')
      return 'page'
    })
    await expect(answer).rejects.toSatisfy((error) => isPagekeepError(error, 'tag-invalid'))
    expect(await cache.get('a')).toBeUndefined()
  })

  it('keeps tags of the call and of the render', async () => {
    const { cache } = setUp()
    const page = () =>
      cache.getOrRender(
        'a',
        (context) => {
          context.tag('of-render')
          return 'page'
        },
        { tags: ['of-call'] },
      )
    for (const tag of ['of-render', 'of-call']) {
      await page()
      expect((await cache.evict({ tag })).keys).toEqual(['a'])
    }
  })

  it('takes the time to live of the render over that of the call over that of the cache', async () => {
    const clock = new FakeClock()
    const cache = createCache({ store: new MemoryStore(), clock, ttlMs: 1000 })
    const expiry = async (key: string, ttlMs?: number, rendered?: number) => {
      const render = (context: { ttl(ms: number): void }) => {
        if (rendered !== undefined) context.ttl(rendered)
        return 'page'
      }
      const answer = await cache.answer(key, render, ttlMs === undefined ? {} : { ttlMs })
      return (answer.expiresAtMs ?? Number.POSITIVE_INFINITY) - clock.now()
    }
    expect(await expiry('a')).toBe(1000)
    expect(await expiry('b', 2000)).toBe(2000)
    expect(await expiry('c', 2000, 3000)).toBe(3000)
    expect(await expiry('d', Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
  })

  it.each(['get', 'begin', 'state', 'publish', 'abandon'] as const)(
    'renders and serves the page when the store fails at %s, and says so once a fault',
    async (act) => {
      for (const how of ['throw', 'reject'] as const) {
        const { cache, chaos, errors } = setUp()
        chaos.fail(act, how)
        const render = vi.fn((context: { skip(): void }) => {
          if (act === 'abandon') context.skip()
          return 'page'
        })
        const begun = gate()
        const slow = async (context: { skip(): void }) => {
          const page = render(context)
          await begun.passed
          return page
        }
        const answers = [cache.getOrRender('a', slow), cache.getOrRender('a', slow)]
        await vi.waitFor(() => expect(render).toHaveBeenCalled())
        answers.push(cache.getOrRender('a', slow))
        begun.open()
        expect(await Promise.all(answers)).toEqual(['page', 'page', 'page'])
        expect(errors.length).toBeGreaterThan(0)
        expect(errors.every((error) => error.code === 'store-failed' && error.key === 'a')).toBe(true)
        chaos.heal()
        expect(await cache.getOrRender('b', () => 'works again')).toBe('works again')
      }
    },
  )

  it.each(['get', 'begin', 'publish'] as const)('serves the page when the store stalls at %s', async (act) => {
    const { cache, chaos, clock, errors } = setUp()
    chaos.fail(act, 'stall')
    let isAnswered = false
    const answer = cache
      .getOrRender('a', () => 'page')
      .finally(() => {
        isAnswered = true
      })
    while (!isAnswered) {
      if (clock.timers > 0) clock.advance(2000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await answer).toBe('page')
    expect(errors.map((error) => error.code)).toContain('store-timeout')
  })

  it('does not let a late caller join a render that no fill protects', async () => {
    const { cache, chaos } = setUp()
    chaos.fail('begin')
    const first = gate()
    const renders: string[] = []
    let data = 'old'
    const render = async () => {
      const read = data
      renders.push(read)
      if (read === 'old') await first.passed
      return read
    }
    const early = cache.getOrRender('a', render)
    await vi.waitFor(() => expect(renders).toEqual(['old']))
    data = 'new'
    const late = Promise.all([cache.getOrRender('a', render), cache.getOrRender('a', render)])
    first.open()
    expect(await early).toBe('old')
    expect(await late).toEqual(['new', 'new'])
    expect(renders).toEqual(['old', 'new'])
  })

  it('renders by itself after a few waits, so that eviction faster than rendering starves nobody', async () => {
    const { cache, chaos } = setUp()
    const begin = chaos.begin.bind(chaos)
    const asked: (boolean | undefined)[] = []
    chaos.begin = async (key, options) => {
      asked.push(options?.regardless)
      return options?.regardless ? begin(key, options) : { kind: 'busy', ended: async () => undefined }
    }
    expect(await cache.getOrRender('a', () => 'page')).toBe('page')
    expect(asked).toEqual([false, false, false, true])
  })
})

describe('answer()', () => {
  it('tells where the page came from', async () => {
    const { cache, clock } = setUp()
    const rendered = gate()
    const answers = [1, 2].map(() =>
      cache.answer('a', async () => {
        await rendered.passed
        return 'page'
      }),
    )
    rendered.open()
    const [one, two] = await Promise.all(answers)
    expect(one).toEqual({ body: 'page', status: 'rendered', isKept: true, renderBeganAtMs: clock.now() })
    expect(two).toMatchObject({ status: 'joined', isKept: true })
    expect(await cache.answer('a', () => 'other')).toMatchObject({ body: 'page', status: 'hit', isKept: true })
  })

  it('says that a doomed page is not kept', async () => {
    const { cache } = setUp()
    const answer = await cache.answer('a', async () => {
      await cache.evict('a')
      return 'old'
    })
    expect(answer).toMatchObject({ body: 'old', status: 'rendered', isKept: false })
  })
})

describe('set()', () => {
  it('keeps a page in place of what was there and of renders in flight', async () => {
    const { cache } = setUp()
    const rendered = gate()
    const early = cache.getOrRender('a', async () => {
      await rendered.passed
      return 'rendered'
    })
    await cache.set('a', 'set')
    rendered.open()
    await early
    expect(await cache.get('a')).toBe('set')
  })

  it('rejects where getOrRender() would serve: bad keys, bad pages, failing stores', async () => {
    const { cache, chaos } = setUp()
    await expect(cache.set('../a', 'x')).rejects.toThrow('cannot be used')
    await expect(cache.set('a', 5 as never)).rejects.toThrow('string or a Uint8Array')
    chaos.fail('publish')
    await expect(cache.set('a', 'x')).rejects.toThrow('chaos')
  })
})

describe('evict()', () => {
  it('reports what was asked and what was removed', async () => {
    const { cache } = setUp()
    for (const key of ['a/1', 'a/2', 'b']) await cache.set(key, key)
    const report = await cache.evict(['a/*', { tag: 'none' }])
    expect({ ...report, keys: [...report.keys].sort() }).toEqual({
      selectors: ['a/*', 'tag:none'],
      removed: 2,
      keys: ['a/1', 'a/2'],
      doomed: 0,
    })
  })

  it('does nothing when one of its selectors cannot be used', async () => {
    const { cache } = setUp()
    await cache.set('a', 'a')
    await expect(cache.evict(['a', '../b'])).rejects.toSatisfy((error) => isPagekeepError(error, 'selector-invalid'))
    expect(await cache.get('a')).toBe('a')
  })

  it('rejects with evict-failed when the store fails: it is never believed done', async () => {
    const { cache, chaos } = setUp()
    for (const how of ['throw', 'reject'] as const) {
      chaos.fail('evict', how)
      await expect(cache.evict('a')).rejects.toSatisfy((error) => isPagekeepError(error, 'evict-failed'))
    }
  })

  it('rejects with evict-failed, naming the page, when one page stays', async () => {
    const { cache, chaos } = setUp()
    chaos.evict = ([selector]) => ({
      removed: 1,
      keys: ['b'],
      doomed: 0,
      failures: [{ selector: selector as never, key: 'stuck', cause: new Error('EPERM') }],
    })
    await expect(cache.evict('**')).rejects.toThrow(/Could not evict stuck .* EPERM/)
  })
})

describe('events', () => {
  it('tell the life of a page', async () => {
    const { cache } = setUp()
    const told: string[] = []
    for (const name of ['hit', 'miss', 'kept', 'doomed'] as const)
      cache.on(name, ({ key }) => told.push(`${name} ${key}`))
    cache.on('evicted', ({ selectors }) => told.push(`evicted ${selectors}`))
    await cache.getOrRender('a', () => 'page')
    await cache.getOrRender('a', () => 'page')
    await cache.evict('a')
    await cache.getOrRender('a', async () => {
      await cache.evict('a')
      return 'page'
    })
    expect(told).toEqual(['miss a', 'kept a', 'hit a', 'evicted a', 'miss a', 'evicted a', 'doomed a'])
  })

  it('do not disturb the page when a listener throws, and end when asked to', async () => {
    const { cache } = setUp()
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const off = cache.on('miss', () => {
      throw new Error('listener')
    })
    expect(await cache.getOrRender('a', () => 'page')).toBe('page')
    off()
    expect(await cache.getOrRender('b', () => 'page')).toBe('page')
    expect(warning).toHaveBeenCalledTimes(1)
    warning.mockRestore()
  })

  it('tell the faults of a store’s work in the background', async () => {
    let report: (error: PagekeepError) => void = () => undefined
    const store = Object.assign(new MemoryStore(), { onFault: (listener: typeof report) => (report = listener) })
    const cache = createCache({ store })
    const codes: string[] = []
    cache.on('error', (error) => codes.push(error.code))
    report(new PagekeepError('store-failed', 'could not delete the trash'))
    expect(codes).toEqual(['store-failed'])
  })

  it('warn once a code when nobody listens to "error"', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const cache = createCache({ store: new MemoryStore() })
    for (const key of ['../a', '../b']) expect(await cache.getOrRender(key, () => 'page')).toBe('page')
    expect(warning).toHaveBeenCalledTimes(1)
    expect(warning.mock.calls[0]?.[0]).toContain('../a')
    warning.mockRestore()
  })
})

describe('close()', () => {
  it('aborts the signal of renders, waits for them, and afterwards only renders', async () => {
    const { cache } = setUp()
    const signal = await new Promise<AbortSignal>((resolve) => {
      void cache.getOrRender('a', async (context) => {
        resolve(context.signal)
        await new Promise((done) => context.signal.addEventListener('abort', done))
        return 'page'
      })
    })
    await cache.close()
    expect(signal.aborted).toBe(true)
    let renders = 0
    for (let call = 0; call < 2; call++) await cache.getOrRender('b', () => `page ${++renders}`)
    expect(renders).toBe(2)
  })
})
