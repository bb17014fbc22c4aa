import { describe, expect, it } from 'vitest'
import { parseCacheControl, parseTargeted, secondsOf } from '../../src/http/cache-control.js'
import type { Fields } from '../../src/http/message.js'
import { judgeResponse, type StoringOptions } from '../../src/http/storing.js'
import { page, request } from './ask.js'

const nowMs = Date.UTC(2020, 0, 8, 12)
const date = (offsetSeconds: number) => new Date(nowMs + offsetSeconds * 1000).toUTCString()
const options: StoringOptions = {
  unsaid: 'until-evicted',
  targets: ['CDN-Cache-Control'],
  negativeTtlMs: 0,
  staleIfErrorMs: 0,
  name: 'pagekeep',
}
const judge = (headers: Fields, parts: { status?: number; options?: Partial<StoringOptions>; auth?: boolean } = {}) =>
  judgeResponse(
    request(parts.auth ? { headers: { authorization: 'Basic eA==' } } : {}),
    page({ status: parts.status ?? 200, headers }),
    { ...options, ...parts.options },
    nowMs,
    nowMs,
  )

describe('judgeResponse()', () => {
  it.each<[string, Fields, string | undefined]>([
    ['nothing', [], undefined],
    [
      'Set-Cookie, whatever else it says',
      [
        ['Set-Cookie', 'a=b'],
        ['Cache-Control', 'public, max-age=60'],
      ],
      'set-cookie',
    ],
    ['private', [['Cache-Control', 'max-age=60, private']], 'private'],
    ['private fields', [['Cache-Control', 'private="x", max-age=60']], 'private'],
    ['no-store in any case', [['Cache-Control', 'No-StOrE']], 'no-store'],
    ['no-store with must-understand', [['Cache-Control', 'no-store, must-understand, max-age=60']], undefined],
    ['Vary: *', [['Vary', 'Foo, *']], 'vary'],
    ['max-age=0 without a validator', [['Cache-Control', 'max-age=0']], 'stale'],
    [
      'max-age=0 with one',
      [
        ['Cache-Control', 'max-age=0'],
        ['ETag', '"x"'],
      ],
      undefined,
    ],
    [
      'CDN-Cache-Control: no-store',
      [
        ['CDN-Cache-Control', 'no-store'],
        ['Cache-Control', 'max-age=60'],
      ],
      'no-store',
    ],
    [
      'Cache-Control: no-store under a CDN-Cache-Control',
      [
        ['CDN-Cache-Control', 'max-age=60'],
        ['Cache-Control', 'no-store'],
      ],
      undefined,
    ],
  ])('with %s', (_, headers, refusal) => {
    expect(judge(headers).refusal).toBe(refusal)
  })

  it.each([206, 304])('never keeps %i, which is a part', (status) => {
    expect(judge([['Cache-Control', 'max-age=60']], { status }).refusal).toBe('status')
  })

  it('keeps an error only when it says for how long, or negativeTtlMs does', () => {
    expect(judge([], { status: 404 }).refusal).toBe('unstated')
    expect(judge([], { status: 404, options: { negativeTtlMs: 5 } })).toMatchObject({
      refusal: undefined,
      lifetimeMs: 5,
    })
    expect(judge([['Cache-Control', 'max-age=1']], { status: 404 })).toMatchObject({ lifetimeMs: 1000 })
    expect(judge([], { status: 500, options: { negativeTtlMs: 5 } }).refusal).toBe('unstated')
  })

  it('refuses what was asked with Authorization unless it is open to all', () => {
    expect(judge([['Cache-Control', 'max-age=60']], { auth: true })).toMatchObject({
      refusal: 'authorization',
      isShareable: false,
    })
    for (const word of ['public', 's-maxage=60', 'must-revalidate']) {
      expect(judge([['Cache-Control', `max-age=60, ${word}`]], { auth: true }).refusal).toBeUndefined()
    }
  })

  it.each<[string, Fields, number | undefined]>([
    ['s-maxage before max-age', [['Cache-Control', 'max-age=60, s-maxage=30']], 30_000],
    [
      'max-age before Expires',
      [
        ['Cache-Control', 'max-age=60'],
        ['Expires', date(10)],
      ],
      60_000,
    ],
    [
      'Expires less Date',
      [
        ['Expires', date(30)],
        ['Date', date(10)],
      ],
      20_000,
    ],
    ['an Expires that is no date as stale', [['Expires', '0']], 0],
    [
      'no-cache as stale',
      [
        ['Cache-Control', 'max-age=60, no-cache'],
        ['ETag', '"x"'],
      ],
      0,
    ],
    [
      'the targeted field, and no other',
      [
        ['CDN-Cache-Control', 'max-age=5'],
        ['Cache-Control', 'max-age=60'],
      ],
      5000,
    ],
    [
      'a targeted field that is no dictionary as none',
      [
        ['CDN-Cache-Control', 'max-age=5, &&'],
        ['Cache-Control', 'max-age=60'],
      ],
      60_000,
    ],
    [
      'a targeted duration of another type as none',
      [
        ['CDN-Cache-Control', 'max-age="5"'],
        ['Cache-Control', 'max-age=60'],
      ],
      60_000,
    ],
    ['nothing as no end', [], undefined],
  ])('takes %s', (_, headers, lifetimeMs) => {
    expect(judge(headers).lifetimeMs).toBe(lifetimeMs)
  })

  // RFC 9111, 5.1: of several members the first counts; one that is no number is ignored.
  it.each<[string, number]>([
    ['7200', 7200],
    ['7200, 0', 7200],
    ['0, 7200', 0],
    ['0,7200', 0],
    ['3600, 3600', 3600],
    ['abc', 0],
    ['-7200', 0],
    ['7200.0', 0],
    ['7200;foo=bar', 0],
  ])('reads Age: %s', (age, seconds) => {
    expect(
      judge([
        ['Cache-Control', 'max-age=10000'],
        ['Age', age],
      ]).ageMs,
    ).toBe(seconds * 1000)
  })

  it('counts the time that the site took, and a Date in the past, as age', () => {
    const verdict = judgeResponse(request(), page({ headers: [] }), options, nowMs - 1500, nowMs)
    expect(verdict.ageMs).toBe(1500)
    expect(judge([['Date', date(-100)]]).ageMs).toBe(100_000)
  })

  it('guesses a tenth of the time since Last-Modified only for statuses that allow it', () => {
    const heuristic = { options: { unsaid: 'heuristic' as const } }
    const modified: Fields = [
      ['Last-Modified', date(-1000)],
      ['Date', date(0)],
    ]
    expect(judge(modified, heuristic).lifetimeMs).toBe(100_000)
    expect(judge(modified, { ...heuristic, status: 403 }).refusal).toBe('unstated')
    expect(judge([...modified, ['Cache-Control', 'public']], { ...heuristic, status: 599 }).refusal).toBeUndefined()
  })

  it('allows no stale page where the response forbids it', () => {
    const stale = { options: { staleIfErrorMs: 9000 } }
    expect(judge([['Cache-Control', 'max-age=1']], stale).staleIfErrorMs).toBe(9000)
    expect(judge([['Cache-Control', 'max-age=1, stale-if-error=3']], stale).staleIfErrorMs).toBe(3000)
    for (const word of ['must-revalidate', 'proxy-revalidate', 's-maxage=1', 'no-cache']) {
      const verdict = judge(
        [
          ['Cache-Control', `max-age=1, ${word}, stale-if-error=3, stale-while-revalidate=3`],
          ['ETag', '"x"'],
        ],
        stale,
      )
      expect(verdict).toMatchObject({ staleIfErrorMs: 0, staleWhileRevalidateMs: 0 })
    }
  })
})

describe('parseCacheControl()', () => {
  it('sees no directive inside a quoted string', () => {
    expect([...parseCacheControl('a="x, max-age=9", b').keys()]).toEqual(['a', 'b'])
  })

  it('takes the first of two, and 0 for what is no number', () => {
    expect(secondsOf(parseCacheControl('max-age=1, max-age=9'), 'max-age')).toBe(1)
    for (const value of ["'9'", '9.5', '-9', 'a9', '']) {
      expect(secondsOf(parseCacheControl(`max-age=${value}`), 'max-age')).toBe(0)
    }
    expect(secondsOf(parseCacheControl('max-age="9"'), 'max-age')).toBe(9)
    expect(secondsOf(parseCacheControl('max-age=99999999999'), 'max-age')).toBe(2 ** 31)
  })
})

describe('parseTargeted()', () => {
  it('leaves out members aimed at another cache', () => {
    expect(parseTargeted('max-age=60;other', 'pagekeep')).toBeUndefined()
    expect(parseTargeted('max-age=60;pagekeep', 'pagekeep')?.get('max-age')).toBe('60')
  })

  it.each(['', 'max-age = 5', 'max-age=5,', '5=max-age', 'max-age'])('ignores %j whole', (value) => {
    expect(parseTargeted(value, 'pagekeep')).toBeUndefined()
  })
})
